"""Accounts on several platforms as one person: `link` and `unlink`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from bot.commands.answer import Answer, Facts, Line, Next, lines
from bot.commands.command import BadInput, Call, Command, Parameter, Suggestion
from bot.commands.saying import At, Code, Say, say
from bot.joining import JoinError
from bot.messages import Member

_LINK = Code("/link")


async def link(call: Call) -> Answer:
    if not call.has("code"):
        return await _offer(call)
    if not call.flag("sure"):
        return await _ask_first(call)
    try:
        person = await call.desk.joining.join(call.caller.member, call.text("code"), call.caller.community)
    except JoinError as error:
        raise BadInput(_why_not(error)) from None
    share = await call.desk.conversations.share(person, call.caller.community)
    return Answer(
        [
            Line(say("They are one person now: one share, one history of use.")),
            Line(say("What they have used today is added up: {used}.", used=share.used)),
            _accounts(call, person),
        ]
    )


async def _offer(call: Call) -> Answer:
    code = await call.desk.joining.offer(call.caller.member)
    # How the other platform writes a command is not known here.
    how = say(
        "With your other account, use the command {link} with the code {code}. Show the code to nobody else.",
        code=Code(code.text),
        link=Code("link"),
    )
    said = [
        Line(how),
        Line(say("It is good once, until {at}.", at=At(code.expires_at))),
    ]
    if len(call.desk.people.accounts(call.caller.member)) == 1:
        return Answer(said)
    return Answer([*said, _accounts(call, call.caller.member)])


async def _ask_first(call: Call) -> Answer:
    """Whose code it is, before anything is joined: a stranger may have sent it."""
    try:
        host = await call.desk.joining.whose(call.caller.member, call.text("code"))
    except JoinError as error:
        raise BadInput(_why_not(error)) from None
    return Answer(
        [
            Line(say("The code was made by {member}. Go on only if that is you.", member=host.key)),
            Line(
                say(
                    "Whoever can write with one of the accounts can then see and use what belongs to both: "
                    "the share, the linked key, what is kept."
                )
            ),
            Next(
                path=("link",),
                values={"code": call.text("code"), "sure": "yes"},
                said=say("That is me: make them one person"),
            ),
        ]
    )


async def unlink(call: Call) -> Answer:
    accounts = call.desk.people.accounts(call.caller.member)
    named = None
    if call.has("account"):
        named = next((one for one in accounts if one.key == call.text("account").strip()), None)
        if named is None:
            raise BadInput(say("{account} is not one of your accounts.", account=call.text("account")))
    try:
        at = await call.desk.joining.part(call.caller.member, named)
    except JoinError as error:
        raise BadInput(_why_not(error)) from None
    return lines(
        say("Your accounts part {at}. Until then they have one share between them.", at=At(at)),
        say(
            "What was counted, chosen and linked so far stays with {member}. What was spent on paid answers counts "
            "for each of them.",
            member=accounts[0].key,
        ),
        say("{link} on both before then, and they stay together.", link=_LINK),
    )


def _accounts(call: Call, member: Member) -> Facts:
    first, *others = call.desk.people.accounts(member)
    return Facts([(say("First account"), first.key), *((say("Linked"), other.key) for other in others)])


def _why_not(error: JoinError) -> Say:
    match error.fault:
        case "wrong_code":
            return say("That code is wrong, used or too old. {link} makes a new one.", link=_LINK)
        case "too_many_tries":
            if error.again_at is None:
                return say("Too many wrong codes. Try again in ten minutes.")
            return say("Too many wrong codes. Try again {at}.", at=At(error.again_at))
        case "already_one":
            return say("These are one person already. Give the code with another account.")
        case "too_many_accounts":
            return say("That would be too many accounts. {unlink} one of them first.", unlink=Code("/unlink"))
        case "busy":
            return say(
                "A question of one of the accounts waits or is being answered. "
                "Link them when it is done; {stop} ends it.",
                stop=Code("/stop"),
            )
        case "erased_today":
            if error.again_at is None:
                return say("You have deleted your data today. Link your accounts tomorrow.")
            return say("You have deleted your data today. Link your accounts {at}.", at=At(error.again_at))
        case "not_linked":
            return say("This account is linked with no other. {link} does that.", link=_LINK)
        case "held_back":
            return say("An admin keeps something from you, and while that is so your accounts stay together.")
        case _:
            assert_never(error.fault)


async def _own_accounts(call: Call, typed: str) -> Sequence[Suggestion]:
    found = (account.key for account in call.desk.people.accounts(call.caller.member))
    return [Suggestion(key) for key in found if typed.strip().lower() in key.lower()]


COMMANDS = (
    Command(
        path=("link",),
        about=say("Make your accounts on several platforms one person, with one share"),
        handler=link,
        parameters=(
            Parameter(
                name="code",
                kind="text",
                about=say("The code your other account was given; without it you get one"),
                required=False,
                most=40,
            ),
            Parameter(
                name="sure",
                kind="flag",
                about=say("Yes: you have seen whose code it is, and it is you"),
                required=False,
            ),
        ),
    ),
    Command(
        path=("unlink",),
        about=say("Let your linked accounts be persons of their own again, from tomorrow on"),
        handler=unlink,
        parameters=(
            Parameter(
                name="account",
                kind="text",
                about=say("Which account leaves; all of them if you name none"),
                required=False,
                most=200,
                suggests=_own_accounts,
            ),
        ),
    ),
)
