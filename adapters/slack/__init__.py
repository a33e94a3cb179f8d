"""Potluck in Slack.

adapter, settings (what runs) · socket, http (how Slack reaches it) · listeners (what it is told) · manifest (what it
asks for) · workspace (tokens) · install (many of them) · people, groups (who writes) · inbound (what they wrote)
files, earlier (what came along, and what was there) · memory, keeping (what is kept) · once (nothing twice)
talk (from a message to its answer) · replies (those under way) · unfinished (what comes later, or was cut off)
feed (a reply as it comes) · telling (how it is shown) · progress, pieces (where it is cut) · live (one that grows)
posting (whole messages) · elsewhere (where its channel is closed) · sessions (the status line)
calls, limits (the Web API, and how much of it) · look, plain_text (what it looks like)
commands, forms, asking, presses (what people do) · answers, showing, responding, pictures, handing (what they get)
home, home_view (the Home tab) · examine (what is wrong with the set-up)
"""
