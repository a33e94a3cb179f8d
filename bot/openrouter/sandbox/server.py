"""The sandbox's HTTP server: who asks, which account that is, what is answered, what is noted."""

from __future__ import annotations

import asyncio
import random
import string
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from bot.clock import Clock, Instant
from bot.openrouter.sandbox import catalogue, refusals, reports
from bot.openrouter.sandbox.completions import Decision, decide
from bot.openrouter.sandbox.faults import FAULTS, Breaks, Refuses, Scene
from bot.openrouter.sandbox.limits import Account
from bot.openrouter.sandbox.log import AttemptLog, Outcome, SandboxAttempt
from bot.openrouter.sandbox.play import Tally, play
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.request import Ask
from bot.openrouter.sandbox.script import COMPLETIONS
from bot.openrouter.sandbox.settings import SandboxSettings
from bot.openrouter.sandbox.wire import Reply, json_reply

PREFIX = "/api/v1"
FAULT_HEADER = "X-Sandbox-Fault"
CATALOGUE_PATHS = ("/models", "/models/user")
READ_PATHS = (*CATALOGUE_PATHS, *reports.PATHS)
MAX_BODY = 8 * 1024 * 1024
SHUTDOWN_SECONDS = 0.5


class Sandbox:
    """One server, one set of accounts, one log.

    Any key is let in unless it contains `bad`. All keys draw from one account, but for those with an `@`:
    what follows it names another one (`sandbox@ann`), with counts and money of its own.
    """

    def __init__(self, settings: SandboxSettings, clock: Clock) -> None:
        """Raises: OSError: the log file cannot be read or written."""
        self._settings, self._clock = settings, clock
        self._accounts: dict[str, Account] = {}
        self._received: Counter[str] = Counter()
        self._live: dict[asyncio.Task[Any], web.Request] = {}
        self._runner: web.AppRunner | None = None
        self._closing = False
        self._log = AttemptLog(settings.log_file)
        for attempt in self._log.attempts:
            if attempt.counted:
                self._account(attempt.account).take(attempt.at)
            self._account(attempt.account).charge(attempt.cost)

    @property
    def log(self) -> list[SandboxAttempt]:
        """Every POST to `/chat/completions`, in order of arrival, those of the log file first."""
        return self._log.attempts

    @property
    def used_today(self) -> int:
        """Requests of the default account that count towards the UTC day, refused ones too."""
        return self._account("").used(self._clock.now())

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; port 0 takes a free one. Returns the base URL, `http://HOST:PORT/api/v1`.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post(PREFIX + COMPLETIONS, self._completion)
        for path in READ_PATHS:
            app.router.add_get(PREFIX + path, self._read)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.close()
            raise
        return f"http://{host}:{self._runner.addresses[0][1]}{PREFIX}"

    async def close(self) -> None:
        """Cut what streams, free the port, close the log. Leaves no task. Closing twice does no harm."""
        self._closing = True
        live = list(self._live)
        for request in self._live.values():
            if request.transport is not None:
                request.transport.abort()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await asyncio.gather(*live, return_exceptions=True)
        self._log.close()

    # --- chat completions ----------------------------------------------------------------------------------

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        try:
            ask = Ask.read(await request.read())
        except web.HTTPRequestEntityTooLarge:
            return await self._answer(request, None, Decision(reply=refusals.TOO_LARGE.reply()), self._clock.now())
        at, account = self._clock.now(), _account_of(request)
        if isinstance(account, Refusal):
            return await self._answer(request, ask, Decision(reply=account.reply()), at)
        decision = decide(
            ask,
            at=at,
            account=self._account(account),
            settings=self._settings,
            generation=self._next_generation(at),
            named=request.headers.get(FAULT_HEADER),
            scripted=self._script(COMPLETIONS, ask),
        )
        return await self._answer(request, ask, decision, at, account)

    async def _answer(
        self, request: web.Request, ask: Ask | None, decision: Decision, at: Instant, account: str = ""
    ) -> web.StreamResponse:
        """Note the request, play its reply, note how that ended."""
        number = len(self._log.attempts) + 1
        self._log.received(
            SandboxAttempt(
                number=number,
                at=at,
                account=account,
                attempt=ask.attempt if ask else None,
                user=ask.user if ask else None,
                session=ask.session if ask else None,
                streamed=ask.stream if ask else False,
                model_asked=ask.models[0] if ask and ask.models else None,
                model_used=decision.model.id if decision.model else None,
                fault=decision.fault,
                counted=decision.counted,
                generation=self._next_generation(at),
                status=decision.reply.status,
                prompt_tokens=decision.answer.prompt_tokens if decision.answer else 0,
            )
        )
        tally, outcome = Tally(), _planned(decision.reply)
        try:
            return await self._play(decision.reply, request, tally)
        finally:
            if not tally.over:
                outcome = "cut_by_shutdown" if self._closing else "cut_by_client"
            cost = _cost(decision, outcome, tally)
            self._account(account).charge(cost)
            self._log.ended(
                number,
                outcome=outcome,
                ended_at=self._clock.now(),
                bytes_sent=tally.bytes,
                completion_tokens=tally.tokens,
                cost=cost,
            )

    # --- everything else -----------------------------------------------------------------------------------

    async def _read(self, request: web.Request) -> web.StreamResponse:
        """A GET: the account's or the catalogue's own answer, or a fault in its place."""
        path = request.path.removeprefix(PREFIX)
        account = _account_of(request)
        if isinstance(account, Refusal) and path != "/models":
            return await self._play(account.reply(), request, Tally())
        named = request.headers.get(FAULT_HEADER)
        if named is not None and named not in FAULTS:
            return await self._play(refusals.unknown_fault(named).reply(), request, Tally())
        name = named or self._script(path)()
        act = FAULTS[name].act if name else None
        at, settings = self._clock.now(), self._settings
        reply = json_reply(catalogue.listing())
        if not isinstance(account, Refusal) and path not in CATALOGUE_PATHS:
            mine = (attempt for attempt in self._log.attempts if attempt.account == account)
            reply = reports.report(
                path, request.query.get("id"), account=self._account(account), log=mine, settings=settings, at=at
            )
        if isinstance(act, Refuses):
            scene = Scene(at=at, rpm=settings.rpm, rpd=settings.rpd, model=catalogue.FREE_ROUTER)
            reply = act.make(scene).reply()
        elif isinstance(act, Breaks):
            reply = act.change(reply)
        return await self._play(reply, request, Tally())

    # --- shared --------------------------------------------------------------------------------------------

    async def _play(self, reply: Reply, request: web.Request, tally: Tally) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._live[task] = request
        try:
            return await play(reply, request, tally)
        finally:
            del self._live[task]

    def _script(self, path: str, ask: Ask | None = None) -> Callable[[], str | None]:
        """Counts a request of the path; gives the way to ask which fault the script has for it."""
        self._received[path] += 1
        number, faults, seed = self._received[path], self._settings.faults, self._settings.seed
        model = ask.models[0] if ask and ask.models else None
        return lambda: faults.choose(path, number, model=model, seed=seed) if faults is not None else None

    def _next_generation(self, at: Instant) -> str:
        """The id of the next attempt's generation; the same until one is logged."""
        draw = random.Random(f"{self._settings.seed}/{len(self._log.attempts)}")  # noqa: S311  ids that repeat
        return f"gen-{int(at)}-{''.join(draw.choices(string.ascii_letters + string.digits, k=20))}"

    def _account(self, name: str) -> Account:
        settings = self._settings
        return self._accounts.setdefault(
            name,
            Account(
                rpm=settings.rpm,
                rpd=settings.rpd,
                balance=settings.credits - settings.spent,
                stale_seconds=settings.key_stale_seconds,
            ),
        )


def _account_of(request: web.Request) -> str | Refusal:
    """The account a request's key belongs to."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return refusals.NO_CREDENTIALS
    return refusals.UNKNOWN_KEY if "bad" in key else key.strip().partition("@")[2]


def _planned(reply: Reply) -> Outcome:
    """How a reply ends if nobody cuts it."""
    if reply.status is not None and reply.status >= 400:
        return "rejected"
    return "failed" if reply.broken else "finished"


def _cost(decision: Decision, outcome: Outcome, tally: Tally) -> Decimal:
    """USD charged for what was written, also if the client cut it; nothing for a failure.

    Tokens written and the model's prices alone decide, so `wrong_cost` tells of a charge that is never made.
    """
    if decision.answer is None or decision.model is None or not tally.tokens or outcome in ("failed", "rejected"):
        return Decimal(0)
    return decision.model.cost(decision.answer.prompt_tokens, tally.tokens)
