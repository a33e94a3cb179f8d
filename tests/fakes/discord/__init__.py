"""A Discord of our own: a real HTTP and WebSocket server that the unmodified discord.py logs in to.

places     who and where: users, servers, channels
world      what happens there: messages and files
composing  what a message may be, and what of it is kept
components the rows below a text, and Components V2
intents    which events and which contents a bot is shown
gateway    the WebSocket: hello, identify, resume, heartbeats, dispatch
buckets    rate limits
rest       the REST API over the world
interactions  commands, buttons, modals and their webhooks
people     what a person does and sees
server     all of it behind one port, and what can be broken
house      a server with people and Potluck, which can be stopped, killed and started again
moved_in   the same as fixtures
scripts    answers as models and lines make them
"""

from tests.fakes.discord.people import Person
from tests.fakes.discord.server import FakeDiscord

__all__ = ["FakeDiscord", "Person"]
