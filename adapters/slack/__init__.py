"""Potluck in Slack.

adapter (what runs) · socket, http (how Slack reaches it) · listeners (what it is told) · manifest (what it asks for)
workspace (tokens) · install (many of them) · people (who writes) · inbound (what they wrote) · files (what came along)
memory (what is kept) · once (nothing twice) · talk (from a message to its answer) · unfinished (what comes later)
feed (a reply as it comes) · telling (how it is shown) · live (a message that grows) · pieces (where it is cut)
calls, limits (the Web API, and how much of it) · sessions (the status line) · look, plain_text (what it looks like)
commands, forms, asking, presses (what people do) · answers, showing, responding, pictures, handing (what they get)
home, home_view (the Home tab) · examine (what is wrong with the set-up)
"""
