"""The metrics of one process, for Prometheus. No label ever holds a person, a conversation or a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from bot.messages import Lane, Usage
from bot.ports import PoolView
from bot.telemetry.units import Kind

_UNITS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 10)
_WAITS = (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 900)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMeasures:
    """What is measured of a pool that is open."""

    id: str
    """Of no person and no community: a name or a hash."""
    view: PoolView
    elsewhere: int
    catalogue_age: float | None
    """Seconds; None: there is no catalogue."""
    byok_month: Decimal | None
    """List price in US dollars of what went by providers' own keys this month; None: the account has not said."""


class Metrics:
    """See the module."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.messages = Counter("potluck_messages", "Messages that came in.", ["platform"], registry=self._registry)
        self.replies = Counter(
            "potluck_replies", "Replies that ended: finished, or an error code.", ["outcome"], registry=self._registry
        )
        self.attempts = Counter(
            "potluck_attempts", "Requests to OpenRouter, by what came of them.", ["outcome"], registry=self._registry
        )
        self.second_attempts = Counter(
            "potluck_second_attempts", "Questions sent once more, to other models.", registry=self._registry
        )
        self.guard = Counter(
            "potluck_guard_faults", "What the guard of the free lane found.", ["kind"], registry=self._registry
        )
        self.byok = Counter(
            "potluck_byok_answers", "Answers by a provider's own key, by lane.", ["lane"], registry=self._registry
        )
        self.byok_usd = Counter(
            "potluck_byok_usd",
            "US dollars that providers charged for those, beside what OpenRouter did.",
            ["lane"],
            registry=self._registry,
        )
        self.wait = Histogram(
            "potluck_wait_seconds", "From the question to its lease.", buckets=_WAITS, registry=self._registry
        )
        self.first_text = Histogram(
            "potluck_first_text_seconds", "From sending to the first text.", buckets=_WAITS, registry=self._registry
        )

        self._units = {
            kind: (
                Histogram(
                    f"potluck_database_{kind}_wait_seconds",
                    f"Units that {kind}: from being asked for to their transaction.",
                    buckets=_UNITS,
                    registry=self._registry,
                ),
                Histogram(
                    f"potluck_database_{kind}_seconds",
                    f"Units that {kind}: with the beginning and the end of their transaction.",
                    buckets=_UNITS,
                    registry=self._registry,
                ),
            )
            for kind in get_args(Kind)
        }
        self._chores = Counter(
            "potluck_chore_failures", "Chores that failed and were begun again.", ["chore"], registry=self._registry
        )

    def unit_took(self, kind: Kind, waited: float, ran: float) -> None:
        """A unit of work of the database's is through. Called in any thread."""
        wait, run = self._units[kind]
        wait.observe(max(0.0, waited))
        run.observe(ran)

    def chore_failed(self, name: str) -> None:
        self._chores.labels(chore=name).inc()

    def watch_backlog(self, length: Callable[[], int]) -> None:
        """Show how much waits to be written down."""
        Gauge("potluck_backlog", "What waits to be written down.", registry=self._registry).set_function(length)

    def watch_pools(self, pools: Callable[[], Iterable[PoolMeasures]]) -> None:
        """Show the state of the pools that are open, read whenever the metrics are."""
        self._registry.register(_PoolCollector(pools))

    def used(self, lane: Lane, usage: Usage) -> None:
        """What an answer took, where a provider's own key gave it."""
        if usage.upstream_usd is not None:
            self.byok.labels(lane=lane).inc()
            self.byok_usd.labels(lane=lane).inc(float(usage.upstream_usd))

    def page(self) -> tuple[bytes, str]:
        """What `/metrics` answers, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _PoolCollector(Collector):
    def __init__(self, pools: Callable[[], Iterable[PoolMeasures]]) -> None:
        self._pools = pools

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        pools = list(self._pools())
        for name, (meaning, value) in _OF_A_POOL.items():
            family = GaugeMetricFamily(name, meaning, labels=["pool"])
            for pool in pools:
                if (measured := value(pool)) is not None:
                    family.add_metric([pool.id], measured)
            if family.samples:
                yield family


_OF_A_POOL: Mapping[str, tuple[str, Callable[[PoolMeasures], float | None]]] = {
    "potluck_pool_day_limit": ("Units of the day.", lambda pool: pool.view.rpd),
    "potluck_pool_day_used": ("Units of the day that are gone.", lambda pool: pool.view.used),
    "potluck_pool_minute_limit": ("Starts the rolling minute allows.", lambda pool: pool.view.rpm),
    "potluck_pool_minute_used": ("Starts within the rolling minute.", lambda pool: pool.view.minute_used),
    "potluck_pool_waiting": ("Tickets in line.", lambda pool: pool.view.waiting),
    "potluck_pool_answering": ("Requests under way.", lambda pool: pool.view.answering),
    "potluck_pool_shut": (
        "1 while nothing is sent until somebody has seen to it.",
        lambda pool: pool.view.shut_for is not None,
    ),
    "potluck_pool_reset_timestamp_seconds": ("When the day's units are back.", lambda pool: pool.view.resets_at),
    "potluck_pool_elsewhere": ("Units of the day that other programs used.", lambda pool: pool.elsewhere),
    "potluck_catalogue_age_seconds": ("Since the models were last listed.", lambda pool: pool.catalogue_age),
    "potluck_byok_month_usd": (
        "List price of what providers' own keys answered this month, by the account.",
        lambda pool: None if pool.byok_month is None else float(pool.byok_month),
    ),
}
