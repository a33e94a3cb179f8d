"""What is kept of a person: shown, handed over, deleted."""

from __future__ import annotations

from bot.belongings import BusyError
from bot.commands.answer import Answer, Document, Line, Next, Table, lines
from bot.commands.command import BadInput, Call, Command, Parameter
from bot.commands.saying import Code, Say, Value, say, says

_STOP = Code("/stop")


async def show(call: Call) -> Answer:
    kept = await call.desk.belongings.counted(call.caller.member)
    rows = [(what, kept.get(table, 0), how_long) for table, what, how_long in _kept(call)]
    return Answer(
        [
            Line(
                say(
                    "Your question, and what was said before it in the conversation, goes through OpenRouter to the "
                    "model that answers it. Many free models are paid for with data: leave out anything private."
                )
            ),
            Table(
                head=(say("What is kept of you"), say("Entries"), say("How long")),
                rows=rows,
                none=say("Nothing is kept of you."),
            ),
            Line(say("What admins have laid down about you is theirs.")),
            Next(path=("privacy", "export"), values={}, said=say("Hand me all of it")),
            Next(path=("privacy", "delete"), values={}, said=say("Delete all of it"), danger=True),
        ]
    )


def _kept(call: Call) -> list[tuple[str, Say, Value]]:
    retention = call.desk.belongings.retention
    messages = (
        says("{count} day", "{count} days", retention.messages) if retention.messages else say("not after the answer")
    )
    counts = says("{count} day", "{count} days", retention.counts)
    until = say("until you change it")
    return [
        ("turns", say("Questions with their answers"), messages),
        ("attachments", say("Files that came with your questions"), messages),
        ("posted_answers", say("Where your answers were posted"), messages),
        ("slack_verdicts", say("Which answers you found good"), messages),
        ("held_questions", say("Questions that waited for room"), messages),
        ("day_events", say("When you asked and what came of it, without text"), counts),
        ("member_days", say("How much you took on a day"), counts),
        ("charges", say("What paid answers cost you"), counts),
        (
            "changes",
            say("Your name in the record of what admins changed"),
            says("{count} day", "{count} days", retention.audit),
        ),
        ("spending", say("Sums of what you spent"), say("for good, so that budgets hold")),
        ("own_keys", say("Your OpenRouter key, encrypted"), until),
        ("model_choices", say("Models you have chosen"), until),
        ("linked_accounts", say("Which accounts are yours"), until),
    ]


async def export(call: Call) -> Answer:
    content = await call.desk.belongings.export(call.caller.member)
    return Answer(
        [
            Line(say("All that is kept of you. A linked key is left out: nobody can read it back.")),
            Document(name="potluck-privacy.json", media_type="application/json", content=content),
        ]
    )


async def delete(call: Call) -> Answer:
    if not call.flag("sure"):
        return _ask_first()
    try:
        await call.desk.belongings.erase(call.caller.member, call.caller.community)
    except BusyError:
        raise BadInput(
            say("A question of yours waits or is being answered. Delete when it is done; {stop} ends it.", stop=_STOP)
        ) from None
    return lines(
        say("Deleted. Nothing that is kept has your name or your words in it any more."),
        say("What you took today counts until tomorrow, without your name; what you spent, until its budget is new."),
    )


def _ask_first() -> Answer:
    return Answer(
        [
            Line(
                say(
                    "This deletes your questions with their answers, when you asked, your key, your choices and your "
                    "links, here and on every account of yours. It cannot be undone."
                )
            ),
            Line(
                say(
                    "Counts, and what admins changed, stay without your name. What admins have laid down about you "
                    "stays with it."
                )
            ),
            Next(path=("privacy", "delete"), values={"sure": "yes"}, said=say("Delete all of it"), danger=True),
        ]
    )


COMMANDS = (
    Command(path=("privacy", "show"), about=say("What is kept of you, and for how long"), handler=show),
    Command(path=("privacy", "export"), about=say("All that is kept of you, as a file"), handler=export),
    Command(
        path=("privacy", "delete"),
        about=say("Delete all that is kept of you"),
        handler=delete,
        parameters=(
            Parameter(name="sure", kind="flag", about=say("Yes: delete it; without it you are asked"), required=False),
        ),
    ),
)
