"""Talking: ask, stop, start over, and what there is."""

from __future__ import annotations

from bot.commands.answer import Answer, lines
from bot.commands.command import Call, Command, Parameter
from bot.commands.saying import say


async def ask(call: Call) -> Answer:
    return Answer([], ask=call.text("question"))


async def new(call: Call) -> Answer:
    if call.caller.conversation is None:
        return lines(say("There is no conversation here to start over."))
    await call.desk.conversations.forget(call.caller.conversation)
    return lines(say("A new conversation. What was said here so far is no longer sent along."))


async def stop(call: Call) -> Answer:
    here = call.caller.conversation
    if here is not None and call.desk.conversations.stop(here, call.caller.member):
        return lines(say("Stopped."))
    return lines(say("You have nothing here that could be stopped."))


COMMANDS = (
    Command(
        path=("ask",),
        about=say("Ask a question"),
        handler=ask,
        parameters=(Parameter(name="question", kind="long_text", about=say("What you want to know"), most=100_000),),
        private=False,
        blocked_too=False,
    ),
    Command(path=("new",), about=say("Start over: what was said so far is no longer sent along"), handler=new),
    Command(path=("stop",), about=say("Stop what you have waiting or being answered here"), handler=stop),
)
