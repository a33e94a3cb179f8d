"""From a `Say` to words: the reader's language and customs, and how the platform writes people, times and code."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Protocol, assert_never

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent

from adapters.rendering.languages import customs, language, texts
from bot.clock import Clock, Instant
from bot.commands.command import Suggestion
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


class Tongue:
    """A language, with the customs of one of the countries it is spoken in. Made by `tongue`."""

    def __init__(self, locale: str) -> None:
        self.language = language(locale)
        self._customs, self._texts = customs(locale), texts(self.language)
        self.tag = str(self._customs).replace("_", "-")
        """As the web names it: `de-AT`."""

    def say(self, said: Say) -> str:
        """The sentence in words."""
        text = (
            self._texts.ngettext(said.text, said.plural, said.count) if said.plural else self._texts.gettext(said.text)
        )
        pieces = _SLOT.split(text)
        return "".join(
            self.value(said.values[piece]) if odd and piece in said.values else self.written(piece)
            for odd, piece in ((index % 2, piece) for index, piece in enumerate(pieces))
            if piece
        )

    def written(self, text: str) -> str:
        """Text of ours or of a person's."""
        return text

    def value(self, value: Value) -> str:
        """One value in words. A moment needs a `Speech`, which knows whose."""
        match value:
            case Say():
                return self.say(value)
            case str():
                return self.written(value)
            case Member():
                return PLAIN.member(value)
            case Group():
                return PLAIN.group(value)
            case Code(text=text):
                return text
            case Span(seconds=seconds):
                return self._span(seconds)
            case Usd(amount=amount):
                return self._usd(amount)
            case Percent(part=part):
                return format_percent(round(part, 3), decimal_quantization=False, locale=self._customs)
            case int() | float():
                return self.number(value)
            case At():
                raise TypeError("a moment is told by somebody's clock: use a Speech")
            case _:
                assert_never(value)

    def number(self, number: float) -> str:
        """A figure as people write it, with two digits behind the point at most."""
        return format_decimal(round(number, 2), locale=self._customs)

    def dollars(self, amount: Decimal) -> str:
        """US dollars with all the digits that the amount is given with."""
        places = max(0, -int(amount.as_tuple().exponent))
        form = self._customs.currency_formats["standard"].pattern.replace("0.00", f"0.{'0' * places}")
        return format_currency(amount, "USD", format=form, currency_digits=False, locale=self._customs)

    def day(self, day: date, *, year: bool) -> str:
        """A day as people name it."""
        form = say("d MMMM y") if year else say("d MMMM")
        return format_date(day, format=self._texts.gettext(form.text), locale=self._customs)

    def _usd(self, amount: Decimal) -> str:
        """Two digits, or of less than a cent two that count."""
        digits = 2 if amount == 0 or abs(amount) >= _CENT else 1 - amount.adjusted()
        return self.dollars(amount.quantize(Decimal(1).scaleb(-digits)))

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


@lru_cache(maxsize=256)
def tongue(locale: str) -> Tongue:
    """How to speak where the platform says this locale: `de`, `pt-BR`. English where the language is not known."""
    return Tongue(locale)


ENGLISH = tongue("en")


class Speech(Tongue):
    """How one reader is spoken to.

    Args:
        locale: as the platform says: `de`, `pt-BR`.
        zone: of the reader's clock, where the platform does not show times by it.
    """

    def __init__(self, *, locale: str = "en", clock: Clock, zone: tzinfo = UTC, writing: Writing = PLAIN) -> None:
        super().__init__(locale)
        self._clock, self._zone, self._writing = clock, zone, writing

    def suggested(self, one: Suggestion) -> str:
        """A value that is offered, with what there is to know of it."""
        return one.value if one.about is None else f"{one.value} · {self.say(one.about)}"

    def written(self, text: str) -> str:
        return self._writing.text(text)

    def value(self, value: Value) -> str:
        match value:
            case Member():
                return self._writing.member(value)
            case Group():
                return self._writing.group(value)
            case Code(text=text):
                return self._writing.code(text)
            case At(moment=moment):
                return self._at(moment)
            case _:
                return super().value(value)

    def _at(self, moment: Instant) -> str:
        shown = self._writing.at(moment)
        if shown is not None:
            return shown
        there = datetime.fromtimestamp(moment, self._zone)
        today = datetime.fromtimestamp(self._clock.now(), self._zone).date()
        clock = f"{there:%H:%M}"
        if self._zone is UTC:
            clock = f"{clock} UTC"
        away = (there.date() - today).days
        if away == 0:
            return clock
        if away == 1:
            return self.say(say("tomorrow at {clock}", clock=clock))
        day = self.day(there.date(), year=there.year != today.year)
        return self.say(say("{day} at {clock}", day=day, clock=clock))
