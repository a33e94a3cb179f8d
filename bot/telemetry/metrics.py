"""The metrics of one process, for Prometheus. No label ever holds a person, a conversation or a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from bot.messages import Lane, Usage
from bot.ports import PoolView

_WAITS = (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 900)


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

    def used(self, lane: Lane, usage: Usage) -> None:
        """What an answer took, where a provider's own key gave it."""
        if usage.upstream_usd is not None:
            self.byok.labels(lane=lane).inc()
            self.byok_usd.labels(lane=lane).inc(float(usage.upstream_usd))

    def watch_pool(self, pool: Callable[[], PoolView]) -> None:
        """Show a pool's state, read whenever the metrics are."""
        self._registry.register(_PoolCollector(pool))

    def watch(self, name: str, meaning: str, value: Callable[[], float | None]) -> None:
        """Show a value, read whenever the metrics are. None: it is left out."""
        self._registry.register(_ValueCollector(name, meaning, value))

    def page(self) -> tuple[bytes, str]:
        """What `/metrics` answers, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _PoolCollector(Collector):
    def __init__(self, pool: Callable[[], PoolView]) -> None:
        self._pool = pool

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        pool = self._pool()
        for name, meaning, value in (
            ("potluck_pool_day_limit", "Units of the day.", pool.rpd),
            ("potluck_pool_day_used", "Units of the day that are gone.", pool.used),
            ("potluck_pool_minute_limit", "Starts the rolling minute allows.", pool.rpm),
            ("potluck_pool_minute_used", "Starts within the rolling minute.", pool.minute_used),
            ("potluck_pool_waiting", "Tickets in line.", pool.waiting),
            ("potluck_pool_answering", "Requests under way.", pool.answering),
            ("potluck_pool_shut", "1 while nothing is sent until somebody has seen to it.", pool.shut_for is not None),
            ("potluck_pool_reset_timestamp_seconds", "When the day's units are back.", pool.resets_at),
        ):
            yield GaugeMetricFamily(name, meaning, value)


class _ValueCollector(Collector):
    def __init__(self, name: str, meaning: str, value: Callable[[], float | None]) -> None:
        self._name, self._meaning, self._value = name, meaning, value

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        value = self._value()
        if value is not None:
            yield GaugeMetricFamily(self._name, self._meaning, value)
