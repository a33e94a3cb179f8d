"""Which days of the traffic are run, which of them are judged, and what every policy makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TextIO

from bot.clock import day_of
from bot.quota.figures import Course, course, of_the_clairvoyant
from bot.quota.history import DAYS
from bot.quota.replay import Policy
from bot.quota.simulated import Fate, Happened, Looked, Promises, Setting
from bot.quota.simulation import simulate
from bot.quota.traffic import Request, TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What happened within the judged days, in order of time."""

    fates: list[Fate] = field(default_factory=list)
    looks: list[Looked] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Traffic, cut to the days wanted."""

    history: Sequence[Request]
    """Of days before the run, known only as having been asked."""
    requests: Sequence[Request]
    """Of the run, in order of time."""
    first_judged: int
    """Day whose figures count first; those before it in the run are its warm-up."""

    @classmethod
    def of(cls, requests: Sequence[Request], *, first: int | None = None, last: int | None = None) -> Trial:
        """Days `first` to `last`. Without `first` all days are run and the first DAYS of them are not judged,
        unless there are no others.

        Raises:
            TraceError: there are no requests on these days.
        """
        wanted = [request for request in requests if last is None or request.day <= last]
        run = [request for request in wanted if first is None or request.day >= first]
        if not run:
            raise TraceError("The traffic has no requests on these days.")
        warm = run[0].day + DAYS
        judged = first if first is not None else warm if run[-1].day >= warm else run[0].day
        return cls(history=wanted[: len(wanted) - len(run)], requests=run, first_judged=judged)

    @property
    def judged(self) -> Sequence[Request]:
        return [request for request in self.requests if request.day >= self.first_judged]

    @property
    def days(self) -> int:
        """Days of the run, those without requests too."""
        return self.requests[-1].day - self.requests[0].day + 1

    @property
    def one_day(self) -> bool:
        """Only one day is judged."""
        return self.first_judged == self.requests[-1].day

    def run(
        self,
        setting: Setting,
        policies: Sequence[Policy],
        *,
        events: TextIO | None = None,
        day_over: Callable[[Policy], None] = lambda _: None,
        inside: Inside | None = None,
    ) -> Iterator[Course]:
        """The figures of each policy as it is done, and then the clairvoyant's.

        Events are of the first policy, and so is what is put `inside`.
        """
        judged: Sequence[Fate] = ()
        for policy in policies:
            is_first = policy == policies[0]

            def tell(happened: Happened) -> None:
                if events is not None:
                    events.write(_line(happened))

            def over(_: int, policy: Policy = policy) -> None:
                day_over(policy)

            def look(looked: Looked) -> None:
                if inside is not None and day_of(looked.at) >= self.first_judged:
                    inside.looks.append(looked)

            promises = Promises()
            run = simulate(
                replace(setting, policy=policy),
                self.requests,
                history=self.history,
                tell=tell if is_first else lambda _: None,
                day_over=over,
                look=look if is_first and inside is not None else None,
                promises=promises,
            )
            judged = [fate for fate in run if fate.request.day >= self.first_judged]
            if is_first and inside is not None:
                inside.fates.extend(judged)
            yield course(
                policy, judged, rpd=setting.rpd, between_communities=setting.between_communities, promises=promises
            )
        yield of_the_clairvoyant(judged, rpd=setting.rpd, between_communities=setting.between_communities)


def _line(happened: Happened) -> str:
    at, event, request = happened
    return json.dumps({"t": round(at, 6), "event": event, "user": request.user, "id": request.id}) + "\n"
