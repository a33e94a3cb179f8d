"""Deployments whose upstream fails, or with a part in another's place: a client at fault, a credulous watch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing

from bot.chat_model import ChatModel, ChatRequest, ModelEvent
from bot.conversation.answering import Answering
from bot.conversation.guarding import Guarding
from bot.conversation.lessons import AccountWatch, Lessons
from bot.errors import AccountTrouble
from bot.openrouter.client import OpenRouter
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from bot.quota.scheduler import Scheduler
from bot.routing.chain import Chain
from bot.routing.shelf import Shelf
from bot.storage.transcripts import SqlTranscripts
from tests.fakes.deployment import Deployment

SUSPICIONS: Mapping[str, tuple[Sequence[FaultRule], str]] = {
    "bad_key": ([FaultRule(fault="bad_key", path="/key")], "bad_key"),
    "negative_balance": ([FaultRule(fault="credits_negative", path="/credits")], "out_of_credit"),
    "data_policy": ([FaultRule(fault="no_free_models", path="/models/user")], "no_free_models"),
}


def once(fault: str) -> SandboxSettings:
    """A sandbox whose first request meets a fault, and no other."""
    return SandboxSettings(faults=Faults(rules=(FaultRule(fault=fault, last=1),)))


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
