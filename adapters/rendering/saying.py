"""From a `Say` to words: the reader's language and customs, and how the platform writes people, times and code."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Protocol, assert_never

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from adapters.rendering.languages import customs, language, texts
from bot.clock import Clock, Instant
from bot.commands.saying import At, Code, Group, Percent, Say, Span, Usd, Value, say, says
from bot.messages import Member

_SLOT = re.compile(r"\{(\w+)\}")
_SPANS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))
_CENT = Decimal("0.01")


class Writing(Protocol):
    """How a platform writes what is more than text. `Plain` is for where it is no more."""

    def text(self, text: str) -> str:
        """Text of ours or of a person's, so that nothing in it works as markup or as a mention."""
        ...

    def member(self, member: Member) -> str: ...

    def group(self, group: Group) -> str: ...

    def code(self, text: str) -> str: ...

    def at(self, moment: Instant) -> str | None:
        """A moment as the platform shows it by the reader's own clock; None: by the zone we know, in text."""
        ...


class Plain:
    """Nothing but text."""

    def text(self, text: str) -> str:
        return text

    def member(self, member: Member) -> str:
        return member.user if member.platform in ("web", "terminal") else member.key

    def group(self, group: Group) -> str:
        return f"{group.kind}:{group.id}"

    def code(self, text: str) -> str:
        return text

    def at(self, moment: Instant) -> str | None:
        return None


PLAIN = Plain()


class Speech:
    """How one reader is spoken to.

    Args:
        locale: as the platform says: `de`, `pt-BR`.
        zone: of the reader's clock, where the platform does not show times by it.
    """

    def __init__(self, *, locale: str = "en", clock: Clock, zone: tzinfo = UTC, writing: Writing = PLAIN) -> None:
        self.language = language(locale)
        # Numbers as in the reader's country, where its language is spoken; else as in the language's.
        self._customs = customs(locale if locale.lower().startswith(self.language) else self.language)
        self._texts, self._clock, self._zone, self._writing = texts(self.language), clock, zone, writing

    def say(self, said: Say) -> str:
        """The sentence in words."""
        text = (
            self._texts.ngettext(said.text, said.plural, said.count) if said.plural else self._texts.gettext(said.text)
        )
        pieces = _SLOT.split(text)
        return "".join(
            self.value(said.values[piece]) if odd and piece in said.values else self._writing.text(piece)
            for odd, piece in ((index % 2, piece) for index, piece in enumerate(pieces))
            if piece
        )

    def value(self, value: Value) -> str:
        """One value in words."""
        match value:
            case Say():
                return self.say(value)
            case str():
                return self._writing.text(value)
            case Member():
                return self._writing.member(value)
            case Group():
                return self._writing.group(value)
            case Code(text=text):
                return self._writing.code(text)
            case At(moment=moment):
                return self._at(moment)
            case Span(seconds=seconds):
                return self._span(seconds)
            case Usd(amount=amount):
                return self._usd(amount)
            case Percent(part=part):
                return format_percent(part, format="#,##0.#%", locale=self._customs)
            case int() | float():
                return format_decimal(round(value, 2), locale=self._customs)
            case _:
                assert_never(value)

    def _usd(self, amount: Decimal) -> str:
        """Two digits, or of less than a cent two that count."""
        digits = 2 if amount == 0 or abs(amount) >= _CENT else 1 - amount.adjusted()
        return format_currency(
            amount, "USD", format=f"¤#,##0.{'0' * digits}", currency_digits=False, locale=self._customs
        )

    def _at(self, moment: Instant) -> str:
        shown = self._writing.at(moment)
        if shown is not None:
            return shown
        there = datetime.fromtimestamp(moment, self._zone)
        today = datetime.fromtimestamp(self._clock.now(), self._zone).date()
        clock = format_time(there, format="HH:mm", locale=self._customs)
        if self._zone is UTC:
            clock = f"{clock} UTC"
        away = (there.date() - today).days
        if away == 0:
            return clock
        if away == 1:
            return self.say(say("tomorrow at {clock}", clock=clock))
        day = format_date(there.date(), format="long" if there.year != today.year else "d MMMM", locale=self._customs)
        return self.say(say("{day} at {clock}", day=day, clock=clock))

    def _span(self, seconds: float) -> str:
        seconds = max(0.0, seconds)
        size, unit = next(((size, unit) for size, unit in _SPANS if seconds >= size), _SPANS[-1])
        count = round(seconds / size)
        match unit:
            case "day":
                return self.say(says("{count} day", "{count} days", count))
            case "hour":
                return self.say(says("{count} hour", "{count} hours", count))
            case "minute":
                return self.say(says("{count} minute", "{count} minutes", count))
            case _:
                return self.say(says("{count} second", "{count} seconds", count))
