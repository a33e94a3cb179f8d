"""Everything that can go wrong upstream, by name: what the member hears, what the books say, what the sandbox got."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bot.clock import day_of, day_start
from bot.conversation.answering import Answering
from bot.conversation.exchange import Exchange
from bot.conversation.guarding import Guarding
from bot.conversation.lessons import AccountWatch, Lessons
from bot.errors import AccountTrouble, AnswerFailed, FailureKind, Refused
from bot.messages import Failed, Finished, ModelId, Started
from bot.openrouter.client import OpenRouter
from bot.openrouter.sandbox import FAULTS, FaultRule, Faults, SandboxSettings
from bot.ports import ChatModel, ChatRequest, ModelEvent
from bot.quota.scheduler import Scheduler
from bot.routing.chain import Chain
from bot.routing.shelf import Shelf
from bot.storage.transcripts import SqlTranscripts
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


class Expected(NamedTuple):
    """What a class of failures comes to, where nothing was shown."""

    code: str
    requests: int = 1
    charged: int = 0
    """Units the member has not got back."""


_K = FailureKind
EXPECTED: Mapping[FailureKind, Expected] = {
    _K.ACCOUNT_DAILY: Expected("pool_spent"),
    _K.ACCOUNT_MINUTE: Expected("upstream_busy"),
    _K.UPSTREAM_MODEL: Expected("upstream_busy", requests=2),
    _K.PLATFORM_UNKNOWN: Expected("upstream_busy"),
    _K.IN_FLIGHT_BUDGET: Expected("upstream_busy"),
    _K.NEGATIVE_BALANCE: Expected("out_of_credit"),
    _K.KEY_LIMIT: Expected("out_of_credit"),
    _K.BAD_KEY: Expected("bad_key"),
    _K.MODERATION: Expected("moderated", charged=1),
    _K.GUARDRAIL: Expected("moderated", charged=1),
    _K.CONTENT_FILTER: Expected("moderated", charged=1),
    _K.NO_ENDPOINTS: Expected("no_route"),
    _K.TOO_LARGE: Expected("too_long", charged=1),
    _K.BAD_REQUEST: Expected("upstream_failed", charged=1),
    _K.TIMEOUT: Expected("upstream_failed"),
    _K.PROVIDER_DOWN: Expected("upstream_failed"),
    _K.EDGE_HTML: Expected("upstream_failed"),
    _K.CUT_OFF: Expected("upstream_failed"),
    _K.ERROR_IN_STREAM: Expected("upstream_failed"),
    _K.ENDLESS: Expected("upstream_failed"),
    _K.EMPTY_ANSWER: Expected("empty_answer"),
    _K.REASONING_ONLY: Expected("empty_answer"),
    _K.LENGTH: Expected("empty_answer"),
}
FAILING = [fault for fault in FAULTS.values() if fault.means is not None]
WHOLE = [fault.name for fault in FAULTS.values() if fault.means is None]


def once(fault: str) -> SandboxSettings:
    """A sandbox whose first request meets a fault, and no other."""
    return SandboxSettings(faults=Faults(rules=(FaultRule(fault=fault, last=1),)))


@pytest.mark.parametrize(
    "name",
    # The same error in another place means the same; the client's own tests tell each apart.
    [pytest.param(fault.name, marks=[pytest.mark.soak] if fault.of is not None else []) for fault in FAILING],
)
async def test_every_failure_ends_once_and_the_books_are_straight(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level("INFO")
    means = FAULTS[name].means
    assert means is not None
    expected = EXPECTED[means]
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", f"heron sandbox:{name}")
        assert isinstance(heard.ending, Failed), "exactly one ending"
        shown = bool(heard.text)
        requests = 1 if shown else expected.requests
        assert heard.error == expected.code
        assert heard.ending.partial is shown
        assert heard.notices.count("second_attempt") == requests - 1
        assert len([event for event in heard.events if isinstance(event, Started)]) == 1
        assert len(potluck.sandbox.log) == requests
        await potluck.quiet()
        counted = await potluck.counted()
        assert counted["leases"] == {"failed": requests}
        assert counted["used"] == requests
        assert counted["taken"] == (1 if shown else expected.charged)
        assert heard.ending.share.used == counted["taken"], "the member is told what the ledger says"
        # Nothing is tried again by itself, however long one waits.
        await asyncio.sleep(3600)
        assert len(potluck.sandbox.log) == requests
        logged = caplog.text.lower()
        assert not any(private in logged for private in ("heron", "user_sandbox", "/keys/", "provider returned"))
        assert "bot.conversation.answering" in logged, "the operator is told"


def test_every_class_of_failure_has_a_fault_but_the_one_that_reaches_nobody() -> None:
    assert {fault.means for fault in FAILING} == set(FailureKind) - {FailureKind.UNREACHABLE}


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"classifier", "wrong_cost"}))
async def test_odd_but_whole_answers_are_answers(tmp_path: Path, clock: VirtualClock, name: str) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", f"sandbox:{name}")
        assert isinstance(heard.ending, Finished)
        assert heard.ending.attempts == len(potluck.sandbox.log) == 1
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"answered": 1}, "used": 1, "taken": 1}


async def test_a_classifiers_verdict_is_no_answer(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", "sandbox:classifier")
        assert heard.error == "empty_answer"
        assert heard.text == "", "it is not shown"
        assert isinstance(heard.ending, Failed)
        assert isinstance(heard.ending.error, AnswerFailed)
        assert heard.ending.error.reason == "classifier"
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"failed": 1}, "used": 1, "taken": 0}


# --- text that was shown ---------------------------------------------------------------------------------


async def test_a_failure_midway_keeps_the_text_and_marks_it_as_cut_off(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        message = potluck.message("ann", "sandbox:provider_down_in_stream", conversation="c1")
        heard = await potluck.hear(message)
        assert isinstance(heard.ending, Failed)
        assert heard.text
        assert heard.ending.partial
        (turn,) = await potluck.running.conversations.turns(message.conversation)
        assert (turn.answer, turn.whole, turn.ended) == (heard.text, False, True)
        echo = await potluck.ask("ann", "sandbox:echo", conversation="c1")
        assert heard.text[:20] in echo.text, "the conversation goes on from it"


# --- one other attempt -----------------------------------------------------------------------------------


async def test_another_attempt_answers_and_is_charged_to_the_pool_alone(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=once("upstream_model")) as potluck:
        message = potluck.message("ann")
        heard = await potluck.hear(message)
        assert isinstance(heard.ending, Finished)
        assert heard.ending.attempts == 2
        assert heard.notices.count("second_attempt") == 1
        assert len(potluck.sandbox.log) == 2
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"failed": 1, "answered": 1}, "used": 2, "taken": 1}
        (turn,) = await potluck.running.conversations.turns(message.conversation)
        assert (turn.answer, turn.whole) == (heard.text, True)
        assert (await potluck.hear(message)).events == [], "handled once, in two attempts"


async def test_another_attempt_that_fails_differently_ends_as_that(tmp_path: Path, clock: VirtualClock) -> None:
    rules = (FaultRule(fault="upstream_model", last=1), FaultRule(fault="moderation", first=2))
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        heard = await potluck.ask("ann")
        assert heard.error == "moderated"
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"failed": 2}, "used": 2, "taken": 1}


async def test_whoever_stops_between_two_attempts_leaves_straight_books(tmp_path: Path, clock: VirtualClock) -> None:
    sandbox = SandboxSettings(rpm=10_000, rpd=10_000, faults=Faults(rules=(FaultRule(fault="upstream_model"),)))
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpm": "10000"}) as potluck:
        stopped_between = 0
        for steps in range(50):
            before = len(potluck.sandbox.log)
            reply = asyncio.create_task(potluck.ask("ann"))
            for _ in range(steps):
                while potluck.running.database.busy:
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
            reply.cancel()
            await asyncio.wait([reply])
            stopped_between += reply.cancelled() and len(potluck.sandbox.log) > before
            await asyncio.sleep(1)
            await potluck.quiet()
            assert (await potluck.counted())["used"] == len(potluck.sandbox.log)
        assert stopped_between, "some were stopped after their first attempt had left"
        assert len(potluck.sandbox.log) > 50, "some had two"


async def test_a_chain_is_asked_on_without_the_models_that_rest(tmp_path: Path, clock: VirtualClock) -> None:
    env = {"free_models": "sandbox/meadow-8b:free"}
    async with deployment(tmp_path, clock, sandbox=once("upstream_model_hint"), env=env) as potluck:
        await asyncio.gather(*(potluck.ask("ann", conversation=str(number)) for number in range(2)))
        asked = [attempt.model_asked for attempt in potluck.sandbox.log]
        assert asked[0] == "sandbox/meadow-8b:free"
        assert asked[1:] == ["openrouter/free"] * (len(asked) - 1), "what had no room is left alone"
        await asyncio.sleep(60)
        await potluck.ask("ann")
        assert potluck.sandbox.log[-1].model_asked == "sandbox/meadow-8b:free", "for as long as it said"


async def test_a_model_that_was_asked_for_and_rests_is_refused_for_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=once("upstream_model_hint")) as potluck:
        wish = ModelId("sandbox/meadow-8b:free")
        for _ in range(2):
            heard = await potluck.hear(replace(potluck.message("ann"), model=wish))
            assert heard.error == "upstream_busy"
            assert isinstance(heard.ending, Failed)
            assert heard.ending.error.resets_at is not None
        assert len(potluck.sandbox.log) == 1, "another model was not asked for"
        await asyncio.sleep(30)
        assert (await potluck.hear(replace(potluck.message("ann"), model=wish))).error is None


async def test_second_attempts_have_a_small_part_of_the_day(tmp_path: Path, clock: VirtualClock) -> None:
    """A day on which every provider is busy does not cost everyone two units a question."""
    rules = (FaultRule(fault="upstream_model"),)
    sandbox = SandboxSettings(rpm=1000, rpd=200, faults=Faults(rules=rules))
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpm": "1000"}) as potluck:
        for number in range(50):
            await potluck.ask(f"m{number}")
        assert len(potluck.sandbox.log) == 50 + 200 // 50


# --- the account's limits --------------------------------------------------------------------------------


async def test_the_daily_limit_ends_the_day_for_all_in_line_at_once(tmp_path: Path, clock: VirtualClock) -> None:
    env = {"pool_rpm": "1"}
    rules = (FaultRule(fault="account_daily", at=(3,)),)
    sandbox = SandboxSettings(faults=Faults(rules=rules))
    async with deployment(tmp_path, clock, sandbox=sandbox, env=env) as potluck:
        all_heard = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(8)))
        errors = [heard.error for heard in all_heard]
        assert errors == [None, None, *["pool_spent"] * 6]
        told = {heard.ending.error.resets_at for heard in all_heard if isinstance(heard.ending, Failed)}
        assert told == {day_start(day_of(clock.now()) + 1)}
        assert (await potluck.ask("late")).error == "pool_spent"
        assert len(potluck.sandbox.log) == 3
        await potluck.quiet()
        # A new day, for everyone.
        await asyncio.sleep(day_start(day_of(clock.now()) + 1) + 300 - clock.now())
        assert (await potluck.ask("late")).error is None


async def test_the_minutes_limit_pauses_the_line_in_its_order(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=once("account_minute"), env={"pool_rpm": "1"}) as potluck:
        first = await potluck.ask("first")
        assert first.error == "upstream_busy"
        assert isinstance(first.ending, Failed)
        until = first.ending.error.resets_at
        assert until is not None
        all_heard = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(4)))
        assert [heard.error for heard in all_heard] == [None] * 4
        assert [heard.places[0] for heard in all_heard] == [1, 2, 3, 4]
        pseudonym = potluck.running.secret.pseudonym()
        assert [attempt.user for attempt in potluck.sandbox.log[1:]] == [pseudonym(f"web:m{n}") for n in range(4)]
        assert all(attempt.at >= until for attempt in potluck.sandbox.log[1:])


async def test_a_limit_nobody_can_name_pauses_the_pool_for_a_minute(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=once("platform_unknown")) as potluck:
        assert (await potluck.ask("ann")).error == "upstream_busy"
        failed_at = clock.now()
        assert (await potluck.ask("ben")).error is None
        assert potluck.sandbox.log[1].at - failed_at >= 59


# --- is it the account? ----------------------------------------------------------------------------------

SUSPICIONS: Mapping[str, tuple[Sequence[FaultRule], str]] = {
    "bad_key": ([FaultRule(fault="bad_key", path="/key")], "bad_key"),
    "negative_balance": ([FaultRule(fault="credits_negative", path="/credits")], "out_of_credit"),
    "data_policy": ([FaultRule(fault="no_free_models", path="/models/user")], "no_free_models"),
}


@pytest.mark.parametrize("fault", SUSPICIONS)
async def test_a_member_cannot_stop_the_pool(tmp_path: Path, clock: VirtualClock, fault: str) -> None:
    async with deployment(tmp_path, clock) as potluck:
        for _ in range(20):
            assert (await potluck.ask("mallory", f"sandbox:{fault}")).error in ("bad_key", "out_of_credit", "no_route")
            await asyncio.sleep(10)
            assert (await potluck.running.conversations.pool()).shut_for is None
            assert (await potluck.ask("ann")).error is None


@pytest.mark.parametrize("fault", SUSPICIONS)
async def test_the_accounts_own_word_shuts_the_pool_and_opens_it_again(
    tmp_path: Path, clock: VirtualClock, fault: str
) -> None:
    rules, shut_for = SUSPICIONS[fault]
    began = clock.now()
    lasting = [replace(rule, after=began + 1000, until=began + 3000) for rule in rules]
    sandbox = SandboxSettings(faults=Faults(rules=(*lasting, FaultRule(fault=fault, at=(1, 2)))))
    async with deployment(tmp_path, clock, sandbox=sandbox) as potluck:
        # A request fails so while the account says nothing of the kind, then while it does.
        assert (await potluck.ask("ann")).error is not None
        await asyncio.sleep(200)
        assert (await potluck.running.conversations.pool()).shut_for is None, "one witness is none"
        await asyncio.sleep(1500 - (clock.now() - began))
        assert (await potluck.ask("ann")).error is not None
        await asyncio.sleep(30)
        assert (await potluck.running.conversations.pool()).shut_for == shut_for
        refused = await potluck.ask("ben")
        assert refused.error == "pool_paused"
        assert isinstance(refused.ending, Failed)
        assert refused.ending.share.used == 0
        assert len(potluck.sandbox.log) == 2
        await asyncio.sleep(3100 - (clock.now() - began))
        assert (await potluck.running.conversations.pool()).shut_for is None, "it opens by itself"
        assert (await potluck.ask("ben")).error is None
        await potluck.quiet()


async def test_whoever_waits_while_the_pool_is_shut_is_told_at_once(tmp_path: Path, clock: VirtualClock) -> None:
    sandbox = SandboxSettings(faults=Faults(rules=(FaultRule(fault="wrong_cost", at=(2,)),)))
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpm": "2"}) as potluck:
        all_heard = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(5)))
        assert [heard.error for heard in all_heard] == [None, None, *["pool_paused"] * 3]
        assert (await potluck.running.conversations.pool()).shut_for == "cost_seen"
        assert (await potluck.ask("late")).error == "pool_paused"
        # No account's word opens this: somebody has to look.
        await asyncio.sleep(7200)
        assert (await potluck.ask("late")).error == "pool_paused"
        assert len(potluck.sandbox.log) == 2
        potluck.running.scheduler.reopen()
        assert (await potluck.ask("late")).error is None
        await potluck.quiet()


# --- the guard -------------------------------------------------------------------------------------------


class Altered:
    """A model whose client is at fault: what it is about to send is not what it was given."""

    def __init__(self, model: ChatModel, alter: Callable[[dict[str, object]], None]) -> None:
        self._model, self._alter = model, alter

    async def stream(
        self,
        request: ChatRequest,
        *,
        on_sent: Callable[[], None],
        check: Callable[[Mapping[str, object]], None] | None = None,
        on_generation: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[ModelEvent]:
        def altered(body: Mapping[str, object]) -> None:
            document = dict(body)
            self._alter(document)
            assert check is not None
            check(document)

        async with aclosing(
            self._model.stream(request, on_sent=on_sent, check=altered, on_generation=on_generation)
        ) as events:
            async for event in events:
                yield event


def answering(
    potluck: Deployment, alter: Callable[[dict[str, object]], None], account: AccountWatch | None = None
) -> tuple[Answering, OpenRouter]:
    """What answers for a deployment, with a part of it put in another's place."""
    running = potluck.running
    client = OpenRouter(base_url=running.upstream, api_key="sk-or-test", clock=running.clock)
    shelf = Shelf(models=running.models, chain=Chain(), clock=running.clock)
    made = Answering(
        scheduler=running.scheduler,
        model=Altered(client, alter),
        shelf=shelf,
        lessons=Lessons(
            scheduler=running.scheduler, shelf=shelf, account=account or running.account, clock=running.clock
        ),
        guarding=Guarding(scheduler=running.scheduler, shelf=shelf, metrics=running.metrics),
        paying=running.paying,
        transcripts=SqlTranscripts(running.database, running.clock),
        clock=running.clock,
        pseudonym=running.secret.pseudonym(),
        metrics=running.metrics,
    )
    return made, client


class Credulous:
    """Takes a request's word for the account's."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def limited(self) -> None:
        pass

    def suspect(self, trouble: AccountTrouble) -> None:
        self._scheduler.shut(trouble)


@pytest.mark.parametrize("fault", SUSPICIONS)
async def test_control_on_one_witness_a_member_stops_the_pool(tmp_path: Path, clock: VirtualClock, fault: str) -> None:
    async with deployment(tmp_path, clock) as potluck:
        credulous, client = answering(potluck, lambda _: None, Credulous(potluck.running.scheduler))
        with pytest.raises(AnswerFailed):
            await credulous.answer(Exchange(potluck.message("mallory", f"sandbox:{fault}")))
        assert (await potluck.ask("ann")).error == "pool_paused"
        await client.close()


@pytest.mark.parametrize(
    "change",
    [{"model": "sandbox/lantern-70b"}, {"models": ["openrouter/auto"]}, {"plugins": [{"id": "web"}]}, {"preset": "x"}],
    ids=str,
)
async def test_what_could_cost_does_not_leave_and_shuts_the_pool(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture, change: dict[str, object]
) -> None:
    async with deployment(tmp_path, clock) as potluck:
        at_fault, client = answering(potluck, lambda body: body.update(change))
        with pytest.raises(Refused) as refused:
            await at_fault.answer(Exchange(potluck.message("ann")))
        assert refused.value.code == "pool_paused"
        assert (await potluck.running.conversations.pool()).shut_for == "guard"
        assert "ERROR" in {record.levelname for record in caplog.records}
        assert (await potluck.ask("ben")).error == "pool_paused"
        assert potluck.sandbox.log == []
        await potluck.quiet()
        assert (await potluck.counted())["used"] == 0
        await client.close()


async def test_a_model_that_goes_away_between_choosing_and_sending_is_chosen_anew(
    tmp_path: Path, clock: VirtualClock
) -> None:
    wish = ModelId("sandbox/meadow-8b:free")
    async with deployment(tmp_path, clock) as potluck:
        late, client = answering(potluck, lambda _: potluck.running.models.missing(wish))
        exchange = Exchange(replace(potluck.message("ann"), model=wish))
        ending = await late.answer(exchange)
        assert isinstance(ending, Finished)
        assert [attempt.model_asked for attempt in potluck.sandbox.log] == ["openrouter/free"]
        assert (await potluck.running.conversations.pool()).shut_for is None
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"released": 1, "answered": 1}, "used": 1, "taken": 1}
        await client.close()


# --- models ----------------------------------------------------------------------------------------------


async def test_a_free_model_by_its_exact_id(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        wish = ModelId("sandbox/meadow-8b:free")
        heard = await potluck.hear(replace(potluck.message("ann"), model=wish))
        assert isinstance(heard.ending, Finished)
        assert heard.ending.model == wish
        assert "model_gone" not in heard.notices


async def test_a_model_that_went_away_gives_way_to_the_default_with_a_notice(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.hear(replace(potluck.message("ann"), model=ModelId("sandbox/bygone-7b:free")))
        assert heard.error is None
        assert heard.notices.count("model_gone") == 1
        assert potluck.sandbox.log[0].model_asked == "openrouter/free"


async def test_a_model_that_openrouter_lists_and_does_not_have_is_taken_off_the_shelf(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=once("free_variant_ended")) as potluck:
        wish = ModelId("sandbox/meadow-8b:free")
        first = await potluck.hear(replace(potluck.message("ann"), model=wish))
        assert first.error == "no_route"
        assert isinstance(first.ending, Failed)
        assert isinstance(first.ending.error, AnswerFailed)
        assert first.ending.error.reason == "model_gone"
        again = await potluck.hear(replace(potluck.message("ann"), model=wish))
        assert again.error is None
        assert "model_gone" in again.notices


async def test_the_models_are_known_without_network_at_the_next_start(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        await potluck.ask("ann")
        known = potluck.running.models.catalogue
    broken = SandboxSettings(
        faults=Faults(rules=tuple(FaultRule(fault="edge_html", path=path) for path in ("/models", "/models/user")))
    )
    await asyncio.sleep(7200)
    async with deployment(tmp_path, clock, sandbox=broken) as potluck:
        assert known is not None
        assert potluck.running.models.catalogue == known
        wish = ModelId("sandbox/meadow-8b:free")
        heard: Heard = await potluck.hear(replace(potluck.message("ann"), model=wish))
        assert heard.error is None


async def moved(potluck: Deployment) -> int:
    """Units the pool counts as gone."""
    return potluck.running.scheduler.used


@pytest.mark.parametrize("telling", ["key_2025", "key_nulls", "key_empty", "key_forgetful", "edge_html", "stall"])
async def test_what_the_account_does_not_say_changes_nothing(tmp_path: Path, clock: VirtualClock, telling: str) -> None:
    rules = (FaultRule(fault=telling, path="/key", first=2),)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        await potluck.ask("ann")
        before = potluck.running.scheduler.caps
        await asyncio.sleep(1800)
        assert await moved(potluck) == 1
        assert potluck.running.scheduler.caps == before
        assert (await potluck.ask("ann")).error is None


async def test_use_by_other_programs_shrinks_what_is_left(tmp_path: Path, clock: VirtualClock) -> None:
    rules = (FaultRule(fault="key_used_elsewhere", path="/key", first=2),)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        await potluck.ask("ann")
        await asyncio.sleep(400)
        assert potluck.running.scheduler.drift == 10
        assert await moved(potluck) == 11
        assert b'potluck_pool_elsewhere{pool="default"} 10.0' in potluck.running.metrics.page()[0]
