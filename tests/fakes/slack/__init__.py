"""A Slack of our own: a real HTTP and Socket Mode server on loopback that slack-bolt connects to as it is.

world (who and what there is) · limits (the tiers) · web_api (the door: tokens, limits, faults, the log of calls) ·
messages, streams, sessions, people, views, oauth (the methods) · blocks (what a block may be) · files (the download
host) · delivery (events and interactions on their way to the app) · person (what people do) · server (all of it)
"""
