"""What the sandbox writes: short, friendly Markdown that is plainly not a model's.

The same question and seed make the same text. `sandbox:echo` in the question gives back the whole context
and `sandbox:help` the names of the faults, so that both can be tried from a chat page.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from bot.openrouter.sandbox.fault import Fault
from bot.openrouter.sandbox.request import Ask, text_of

COMMAND = re.compile(r"\bsandbox:([a-z0-9_]+)")
_NOT_TEXT = re.compile(rf"{COMMAND.pattern}|<[^>]*>|https?://\S*")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_TOKEN = re.compile(r"\s*\S+|\s+$")

TOPIC_WORDS, TOPIC_LETTERS = 7, 60

OPENINGS = (
    "You asked about **{topic}**. I am the sandbox, so no model has thought it over — but answers look like this.",
    "**{topic}**, then. Nobody upstream has seen your question: I am the sandbox, and I make my answers up.",
    "A good question for a real model: **{topic}**. I am only the sandbox, keeping its chair warm.",
    "Here comes an answer to **{topic}** — not a wise one, since it is the sandbox that speaks, but a lively one.",
    "Let us talk about **{topic}**. I am the sandbox: I answer everyone at once and know nothing at all.",
)

BODIES = {
    "prose": (
        "At a potluck everyone brings a dish and nobody asks who ate the most. It works as long as those who come "
        "late still find something on the table, and that is what the line you may have waited in is for.",
        "Set an OpenRouter key and the very same words you typed will reach a model that can do something with them. "
        "Until then you can try everything else: the waiting, the stopping, the *é* and the — and the 🍲.",
        "If this answer comes word by word, the stream works; if it stays after you reload the page, so does "
        "the memory. You can stop me in the middle of a sentence, too. I will not mind.",
    ),
    "list": (
        "How a question travels:\n\n"
        "1. It is written down, so that it is answered **once**.\n"
        "2. It takes its place in the line, if there is one.\n"
        "3. It takes one request from today's pot.\n"
        "4. The answer comes back, *word by word*.",
        "Three things worth bringing to any table:\n\n"
        "- **bread**, because it goes with everything\n"
        "- a *salad* that can wait\n"
        "- `patience`, in case the pot is empty until midnight UTC",
    ),
    "table": (
        "| dish | brought by | portions |\n"
        "| --- | --- | ---: |\n"
        "| lentil soup | the early bird | 12 |\n"
        "| crème brûlée | the perfectionist | 6 |\n"
        "| crisps | whoever forgot | 40 |\n\n"
        "Fifty-eight portions in all, and eight more than a small account's day has requests.",
    ),
    "code": (
        "Sharing a pot in a few lines of Python:\n\n"
        "```python\n"
        "def shares(pot: int, guests: list[str]) -> dict[str, int]:\n"
        "    portion, left_over = divmod(pot, len(guests))\n"
        "    return {guest: portion + (place < left_over) for place, guest in enumerate(guests)}\n"
        "```\n\n"
        "With a pot of 50 and three guests, two of them get 17 and one gets 16.",
    ),
}

THOUGHTS = (
    "Someone asks about {topic}. ",
    "I should say at once that I am the sandbox. ",
    "A short answer with a little Markdown will do. ",
    "Now, what goes well with it? ",
)


def command(question: str) -> str | None:
    """The word after `sandbox:` in a question."""
    found = COMMAND.search(question)
    return found.group(1) if found else None


def topic(question: str) -> str:
    """A few words of the question with everything but letters and digits gone, so that no markup is echoed."""
    words = [word[:TOPIC_LETTERS] for word in _WORD.findall(_NOT_TEXT.sub(" ", question))[:TOPIC_WORDS]]
    while len(" ".join(words)) > TOPIC_LETTERS:
        words.pop()
    return " ".join(words) or "nothing in particular"


def thoughts(ask: Ask) -> tuple[str, ...]:
    """What a model that reasons says to itself before it answers."""
    return tokens("".join(THOUGHTS).format(topic=topic(ask.question)))


def write(ask: Ask, *, seed: int, faults: Iterable[Fault]) -> tuple[str, ...]:
    """The answer, as tokens."""
    wanted = command(ask.question)
    if wanted == "echo":
        return tokens(_echo(ask))
    if wanted == "help":
        return tokens(_help(faults))
    choose = random.Random(f"{seed}/{ask.question}")  # noqa: S311  the same question is to have the same answer
    parts = [choose.choice(OPENINGS).format(topic=topic(ask.question))]
    if seen := ask.seen:
        parts.append(f"I was shown {', '.join(seen)}.")
    parts += _bodies(ask.question.lower(), choose)
    member = f" from member `{_plain(ask.user)}`" if ask.user else ""
    parts.append(f"*Sandbox: question {ask.turns} of this conversation{member}.*")
    return tokens("\n\n".join(parts))


def tokens(text: str) -> tuple[str, ...]:
    """The text in pieces of a word each, with the space before it; nothing is lost."""
    return tuple(_TOKEN.findall(text))


def _bodies(question: str, choose: random.Random) -> Sequence[str]:
    if "long" in _WORD.findall(question):
        every = [body for bodies in BODIES.values() for body in bodies]
        return choose.sample(every, len(every))
    asked = [kind for kind in BODIES if kind in question]
    return [choose.choice(BODIES[asked[0] if asked else choose.choice(list(BODIES))])]


def _plain(user: str) -> str:
    return re.sub(r"\W", "", user)[:6]


def _echo(ask: Ask) -> str:
    lines = [f"{message.get('role')}: {text_of(message)}" for message in ask.messages]
    lines += [f"({seen})" for seen in ask.seen]
    runs = re.findall(r"`+", "".join(lines))
    fence = "`" * max(3, 1 + max(map(len, runs), default=0))
    return "\n".join([fence, *lines, fence])


def _help(faults: Iterable[Fault]) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(fault.name for fault in faults if fault.of is None))
    return (
        "I am the sandbox. Write `sandbox:echo` to see what a model would be sent, ask for something *long*, a *list*, "
        f"a *table* or *code*, or write `sandbox:` and one of these to see it go wrong:\n\n{names}\n\n"
        "With `_body`, `_first` or `_in_stream` after it an error comes in a body, first in a stream, or midway."
    )
