"""What bounds a pool beside its members' shares: what its account says, and what admins lay down in place of that.

What the account says is one `Word`, kept in the ledger: it outlasts a restart, and other processes hold to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.clock import Clock, Instant
from bot.errors import Refused, Shut
from bot.quota.book import Book
from bot.quota.ledger import Caps
from bot.quota.others import Others
from bot.quota.starts import Starts
from bot.quota.word import OF_THE_DAY, Said, Word
from bot.telemetry.logs import logger

log = logger(__name__)

_SETTLED = 90.0
"""Seconds after the last request by which the account's count should have caught up with ours."""
_UNTIL_SEEN: frozenset[Shut] = frozenset({"guard", "cost_seen"})
"""What nobody opens but by starting anew."""


class Bounds:
    """See the module. `open` before use.

    Args:
        caps: the minute's is the most there will ever be; the day's holds until the account tells another.
        watched: somebody asks the account for its count, so that a new day may wait to see it reset.
        learns_rpd: the account's own cap on the day counts; else the one that is set.
    """

    def __init__(
        self, *, caps: Caps, watched: bool, learns_rpd: bool, book: Book, starts: Starts, clock: Clock
    ) -> None:
        self._book, self._today, self._starts, self._gate, self._clock = book, book.today, starts, starts.gate, clock
        self._watched, self._learns_rpd = watched, learns_rpd
        self._set_rpm = self._most_rpm = caps.rpm
        self._told_rpd = caps.rpd
        self._laid_down_rpd: int | None = None
        self.word = Word()
        self.others: Others | None = None
        self._untold: list[tuple[int, Said]] = []
        """What the ledger does not have yet, and of which day it is."""
        self._yesterday = 0
        """Units that were gone when the day before ended."""
        self._report: int | None = None
        """The account's newest count of today. It never falls within a day."""
        self._last_report: int | None = None
        """Its last one of the day before, where that was heard."""
        self._shut_here: Shut | None = None
        self._found: Shut | None = None
        """What this process has found out itself."""
        self._suspended = False
        book.turned = self._turned

    def open(self, word: Word, *, yesterday: int) -> None:
        """Take up what the account has said before."""
        self._yesterday = yesterday
        self._hold_to(word)
        if not word.begun:
            self._await_reset()

    @property
    def shut_for(self) -> Shut | None:
        """Why nobody is let through until further notice; None: the pool is open."""
        return self._shut_here or self.word.shut_for or ("admin" if self._suspended else None)

    # --- what the account tells --------------------------------------------------------------------------

    def hear(self, word: Word) -> None:
        """Hold to what it has told another process. Nobody is let through by that alone."""
        if word.number <= self.word.number:
            return
        for day, said in self._untold:
            news: dict[str, Any] = {name: value for name, value in said.items() if name not in OF_THE_DAY}
            word = replace(word, **(dict(said) if day == word.day else news))
        if word.shut_for is None and self._found in _UNTIL_SEEN:
            # The others took this process for dead, and what it had found out for over.
            self._hold_to(replace(word, shut_for=self._found))
            self._write({"shut_for": self._found})
            return
        if word.shut_for != self.word.shut_for:
            what = {"action": "shut_elsewhere", "reason": word.shut_for or "open", "pool": self._book.pool}
            log.warning("another process has shut the pool, or opened it", extra=what)
            self._found = None
        self._hold_to(word)

    def limit(self, rpd: int) -> None:
        """Its cap on the day. While an admin has laid down another, that one holds."""
        self._book.turn()
        self._told_rpd = rpd
        self._today.limit(self._laid_down_rpd or rpd)
        self._tell({"rpd": rpd})
        self._starts.pump()

    def limit_minute(self, rpm: int) -> None:
        """Its cap on the minute. Never more than was set."""
        self._tell({"rpm": max(1, min(rpm, self._most_rpm)), "rpm_under": self._most_rpm})
        self._starts.window.rpm = self._rpm
        self._starts.pump()

    def reported(self, used: int) -> None:
        """Its count of the day. What it has beyond ours was used elsewhere.

        It lags: just after 00:00 UTC it may be yesterday's, and then it tells nothing of the new day.
        """
        if self.others is None or self.others.alone:
            self._reported(used)
        else:
            self._book.in_background(self._reported_after(self.others, used))

    async def _reported_after(self, others: Others, used: int) -> None:
        """Once it is known what the others have sent, or that would be taken for somebody else's."""
        day = self._today.day
        try:
            await others.catch_up()
        except Exception as error:  # the database is away: the account says it again
            log.warning("a count was not taken up", extra={"action": "report", "error": repr(error)})
            return
        if day == self._today.day:
            self._reported(used)

    def _reported(self, used: int) -> None:
        self._book.turn()
        now = self._clock.now()
        if self._gate.early(now) and self._report is None:
            # Ours may be ahead of the account's: only its own count can show that it has begun anew.
            if used >= (self._last_report or 1):
                return
            self._gate.reset_seen()
            self._tell({"begun": True})
            self._last_report = None
        self._report = used
        last = self._starts.last_at
        quiet = not self._starts.busy and (last is None or now - last > _SETTLED)
        self._today.reported(used, quiet=quiet)
        self._tell({"elsewhere": self._today.elsewhere})
        self._starts.pump()

    def pause(self, until: Instant) -> None:
        """It says no until then. The line keeps its order."""
        self._gate.pause(until)
        if self._gate.paused_until is not None:
            self._tell({"paused_until": self._gate.paused_until})
        self._starts.pump()

    def spend_rest(self, day: int) -> None:
        """A day is spent by its word, whatever we counted. A word about a day that is over says nothing of this one."""
        self._book.turn()
        if day == self._today.day:
            self._today.spend_rest()
            self._tell({"spent_at": self._today.rpd})
            self._starts.pump()

    # --- shut and open -----------------------------------------------------------------------------------

    def shut(self, reason: Shut, *, here: bool = False) -> None:
        """Let nobody through until further notice; whoever waits is told, once. `here`: other processes may go on."""
        if here or self.others is None:
            self._shut_here = reason
        else:
            self._found = reason
            self._say_shut(reason)
        self._shut_or_open()

    def reopen(self) -> None:
        """Go on, unless an admin has paused the pool."""
        self._shut_here = self._found = None
        if self.others is not None:
            self._say_shut(None)
        self._shut_or_open()
        self._starts.pump()

    def suspend(self, suspended: bool) -> None:
        """An admin pauses the pool, or lets it go on, unless something else keeps it shut."""
        self._suspended = suspended
        self._shut_or_open()
        self._starts.pump()

    def _shut_or_open(self) -> None:
        self._starts.shut = self.shut_for is not None
        if self._starts.shut:
            self._starts.refuse_all(lambda: Refused("pool_paused"))

    # --- what admins lay down ----------------------------------------------------------------------------

    def lay_down_caps(self, *, rpm: int | None, rpd: int | None) -> None:
        """An admin's caps hold in place of what was set and of what the account tells. None: no longer."""
        self._book.turn()
        self._laid_down_rpd = rpd
        self._most_rpm = rpm or self._set_rpm
        self._starts.window.rpm = self._rpm
        self._today.limit(rpd or self._told_rpd)
        self._starts.pump()

    # --- inside ------------------------------------------------------------------------------------------

    def _say_shut(self, reason: Shut | None) -> None:
        """Said in any case: another process may have said otherwise just now."""
        self.word = replace(self.word, shut_for=reason)
        self._write({"shut_for": reason})

    @property
    def _rpm(self) -> int:
        told, most = self.word.rpm, self._most_rpm
        return most if told is None or self.word.rpm_under != most else min(told, most)

    def _tell(self, said: Said) -> None:
        """Have kept what is new of it, and told to other processes."""
        self.word = self.word.of(self._today.day)
        if replace(self.word, **said) == self.word:
            return
        self.word = replace(self.word, **said)
        self._write(said)

    def _write(self, said: Said) -> None:
        entry = self._today.day, said
        self._untold.append(entry)
        self._book.keep(lambda: self._written(entry))

    async def _written(self, entry: tuple[int, Said]) -> None:
        word = await self._book.ledger.told(self._book.pool, *entry)
        self._untold = [other for other in self._untold if other is not entry]
        self.hear(word)
        self._starts.pump()

    def _hold_to(self, word: Word) -> None:
        before, self.word = self.word, word.of(self._today.day)
        if self._learns_rpd and word.rpd not in (None, self._told_rpd):
            self._told_rpd = word.rpd
            self._today.limit(self._laid_down_rpd or word.rpd)
        self._starts.window.rpm = self._rpm
        if word.paused_until is not None and word.paused_until > self._clock.now():
            self._gate.pause(word.paused_until)
        self._today.heard(elsewhere=self.word.elsewhere, spent_at=self.word.spent_at)
        if self.word.begun:
            self._gate.reset_seen()
        if word.shut_for != before.shut_for:
            self._shut_or_open()

    def _turned(self, used: int) -> None:
        """A new day has begun; so much of the one before was gone."""
        self._yesterday = used
        self._last_report, self._report = self._report, None
        self.word = self.word.of(self._today.day)
        self._await_reset()

    def _await_reset(self) -> None:
        if self._watched and self._yesterday:
            self._gate.wait_for_reset(self._today.day)
