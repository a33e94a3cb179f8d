"""The sandbox's HTTP server: who asks, which account that is, what is answered, what is noted."""

from __future__ import annotations

import asyncio
import random
import string
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from aiohttp import web

from bot.clock import Clock, Instant
from bot.openrouter.sandbox import catalogue, linking, refusals, reports
from bot.openrouter.sandbox.catalogue import Json
from bot.openrouter.sandbox.completions import Case, Decision, decide
from bot.openrouter.sandbox.fault import Breaks, Refuses, Scene
from bot.openrouter.sandbox.faults import FAULTS
from bot.openrouter.sandbox.keys import Caller, Keys
from bot.openrouter.sandbox.limits import Account
from bot.openrouter.sandbox.log import AttemptLog, Outcome, SandboxAttempt
from bot.openrouter.sandbox.play import Tally, play
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.request import Ask
from bot.openrouter.sandbox.script import AUTH_KEYS, COMPLETIONS, PATHS, Call, meant
from bot.openrouter.sandbox.settings import Beliefs, SandboxSettings
from bot.openrouter.sandbox.tellings import TELLINGS
from bot.openrouter.sandbox.wire import Reply, json_reply

PREFIX = "/api/v1"
FAULT_HEADER = "X-Sandbox-Fault"
OPEN_PATHS = ("/models", AUTH_KEYS)
"""Need no key."""
CACHED = {"/models": "public, max-age=120"}
"""What may be kept of an answer to a GET; of all others, nothing."""
MAX_BODY = 32 * 1024 * 1024
SHUTDOWN_SECONDS = 0.5


class Sandbox:
    """One server, one set of accounts, one log. Whose a key is, `keys.py` says."""

    def __init__(self, settings: SandboxSettings, clock: Clock) -> None:
        """Raises: OSError: the log file cannot be read or written."""
        self._settings, self._clock = settings, clock
        self._keys = Keys(seed=settings.seed)
        self._accounts: dict[str, Account] = {}
        self._received: Counter[str] = Counter()
        self._began = clock.now()
        self._live: dict[asyncio.Task[Any], web.Request] = {}
        self._runner: web.AppRunner | None = None
        self._closing = False
        self._log = AttemptLog(settings.log_file)
        for attempt in self._log.attempts:
            self._account(attempt.account).remember(attempt.at, attempt.units)
            self._charge(attempt)

    @property
    def log(self) -> list[SandboxAttempt]:
        """Every POST to `/chat/completions`, in order of arrival, those of the log file first."""
        return self._log.attempts

    @property
    def used_today(self) -> int:
        """Units the default account has taken of the UTC day, for refused requests too."""
        return self.used_by("")

    def used_by(self, account: str) -> int:
        """The same for another account."""
        return self._account(account).used(self._clock.now())

    def billed(self, account: str = "") -> Decimal:
        """USD an account has been charged, all time: the bill a budget is held against."""
        return self._account(account).billed()

    def grant(self, challenge: str, *, account: str = "", method: str = "S256") -> str:
        """The code somebody is shown who lets a program use their account; `GET /auth` does the same."""
        return self._keys.authorize(challenge, at=self._clock.now(), account=account, method=method)

    def revoke(self, key: str) -> None:
        """Refuse a key from now on, as when its owner deletes it."""
        self._keys.revoke(key)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; port 0 takes a free one. Returns the base URL, `http://HOST:PORT/api/v1`.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post(PREFIX + COMPLETIONS, self._completion)
        app.router.add_get(linking.PATH, self._approve)
        for path in (*PATHS, *reports.ALIASES):
            if path != COMPLETIONS:
                app.router.add_route("*" if path == AUTH_KEYS else "GET", PREFIX + path, self._tell)
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
        at, caller = self._clock.now(), self._caller(request)
        if isinstance(caller, Refusal):
            return await self._answer(request, ask, Decision(reply=caller.reply()), at)
        if ask is None:
            return await self._answer(request, ask, Decision(reply=refusals.NOT_JSON.reply()), at, caller)
        case = Case(
            ask=ask,
            at=at,
            account=self._account(caller.account),
            account_name=caller.account,
            key=caller.digest,
            settings=self._settings,
            generation=self._next_generation(at),
            named=request.headers.get(FAULT_HEADER),
            scripted=self._script(at, caller.account),
        )
        return await self._answer(request, ask, decide(case), at, caller)

    async def _answer(
        self, request: web.Request, ask: Ask | None, decision: Decision, at: Instant, caller: Caller | None = None
    ) -> web.StreamResponse:
        """Note the request, play its reply, note how that ended."""
        number, answer = len(self._log.attempts) + 1, decision.answer
        self._log.received(
            SandboxAttempt(
                number=number,
                at=at,
                account=caller.account if caller else "",
                key=caller.digest if caller else "",
                attempt=ask.attempt if ask else None,
                user=ask.user if ask else None,
                session=ask.session if ask else None,
                streamed=ask.stream if ask else False,
                model_asked=ask.models[0] if ask and ask.models else None,
                model_used=decision.model.id if decision.model else None,
                fault=decision.fault,
                units=decision.units,
                generation=self._next_generation(at),
                status=decision.reply.status,
                prompt_tokens=answer.prompt_tokens if answer else 0,
                byok=answer is not None and answer.upstream_cost is not None,
            )
        )
        tally, outcome = Tally(), _planned(decision.reply)
        try:
            return await self._play(decision.reply, request, tally)
        finally:
            if not tally.over:
                outcome = "cut_by_shutdown" if self._closing else "cut_by_client"
            price, units = _price(decision, outcome, tally, self._settings.beliefs), decision.units
            byok = self._log.attempts[number - 1].byok
            if caller is not None and outcome == "cut_by_client" and not self._settings.beliefs.cut_streams_count:
                self._account(caller.account).give_back(at, units)
                units = 0
            self._log.ended(
                number,
                outcome=outcome,
                units=units,
                ended_at=self._clock.now(),
                bytes_sent=tally.bytes,
                completion_tokens=tally.tokens,
                cost=Decimal(0) if byok else price,
                upstream_cost=price if byok else Decimal(0),
            )
            self._charge(self._log.attempts[number - 1])

    # --- everything else -----------------------------------------------------------------------------------

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        """What is no chat completion: the account's, the catalogue's or the exchange's own answer, or a fault."""
        path = request.path.removeprefix(PREFIX)
        path = reports.ALIASES.get(path, path)
        raw, at, caller = await request.read(), self._clock.now(), self._caller(request)
        if isinstance(caller, Refusal) and path not in OPEN_PATHS:
            return await self._play(caller.reply(), request, Tally())
        account = "" if isinstance(caller, Refusal) else caller.account
        named = request.headers.get(FAULT_HEADER)
        if named is not None and not meant(named, path):
            return await self._play(refusals.unknown_fault(named).reply(), request, Tally())
        self._received[path] += 1
        call = Call(path=path, number=self._received[path], account=account, at=at, elapsed=max(0.0, at - self._began))
        name = self._chosen(call) if named is None else self._one_of(meant(named, path), call)
        act = FAULTS[name].act if name is not None and name in FAULTS else None
        if isinstance(act, Refuses):
            mine = self._settings.of(account)
            scene = Scene(at=at, rpm=mine.rpm, rpd=mine.rpd, model=catalogue.FREE_ROUTER)
            return await self._play(act.make(scene).reply(), request, Tally())
        body = self._told(path, request, raw, at, caller)
        if isinstance(body, Refusal):
            return await self._play(body.reply(), request, Tally())
        if name is not None and name in TELLINGS.get(path, ()):
            body = TELLINGS[path][name](body)
        reply = json_reply(body, headers={"Cache-Control": CACHED.get(path, "private, no-store")})
        return await self._play(act.change(reply) if isinstance(act, Breaks) else reply, request, Tally())

    def _told(
        self, path: str, request: web.Request, raw: bytes, at: Instant, caller: Caller | Refusal
    ) -> Json | Refusal:
        if path == AUTH_KEYS:
            if request.method != "POST":
                return refusals.NO_METHOD
            return self._keys.exchange(raw, at=at, beliefs=self._settings.beliefs)
        if path == "/models":
            return catalogue.listing(without=self._settings.withdrawn)
        if isinstance(caller, Refusal):
            return caller
        asked = reports.Inquiry(
            caller=caller,
            account=self._account(caller.account),
            at=at,
            settings=self._settings,
            generation=request.query.get("id"),
            log=self._log.attempts,
        )
        return reports.report(path, asked)

    async def _approve(self, request: web.Request) -> web.StreamResponse:
        reply = linking.page(request.query, keys=self._keys, at=self._clock.now(), beliefs=self._settings.beliefs)
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

    def _script(self, at: Instant, account: str) -> Callable[[int, Sequence[str]], str | None]:
        """The way to ask which fault the script has for a chat completion, model by model.

        It is counted as the log numbers it, so that a script goes on after a restart with the same file.
        """
        number, elapsed = len(self._log.attempts) + 1, max(0.0, at - self._began)

        def scripted(place: int, models: Sequence[str]) -> str | None:
            return self._chosen(
                Call(
                    path=COMPLETIONS,
                    number=number,
                    models=tuple(models),
                    place=place,
                    account=account,
                    at=at,
                    elapsed=elapsed,
                )
            )

        return scripted

    def _chosen(self, call: Call) -> str | None:
        faults = self._settings.faults
        return faults.choose(call, seed=self._settings.seed) if faults is not None else None

    def _one_of(self, names: Sequence[str], call: Call) -> str:
        return random.Random(f"{self._settings.seed}/{call.path}/{call.number}").choice(names)  # noqa: S311  repeatable

    def _next_generation(self, at: Instant) -> str:
        """The id of the next attempt's generation; the same until one is logged."""
        draw = random.Random(f"{self._settings.seed}/{len(self._log.attempts)}")  # noqa: S311  ids that repeat
        return f"gen-{int(at)}-{''.join(draw.choices(string.ascii_letters + string.digits, k=20))}"

    def _account(self, name: str) -> Account:
        return self._accounts.setdefault(name, Account())

    def _caller(self, request: web.Request) -> Caller | Refusal:
        return self._keys.caller(request.headers.get("Authorization", ""))

    def _charge(self, attempt: SandboxAttempt) -> None:
        account, when = self._account(attempt.account), attempt.ended_at or attempt.at
        account.charge(attempt.key, attempt.cost, when)
        account.charge(attempt.key, attempt.upstream_cost, when, byok=True)


def _planned(reply: Reply) -> Outcome:
    """How a reply ends if nobody cuts it."""
    if reply.status is not None and reply.status >= 400:
        return "rejected"
    return "failed" if reply.broken else "finished"


def _price(decision: Decision, outcome: Outcome, tally: Tally, beliefs: Beliefs) -> Decimal:
    """USD for what was written, also if the client cut it; nothing for a failure.

    Tokens written and the model's prices alone decide, so `wrong_cost` tells of a charge that is never made.
    """
    if decision.answer is None or decision.model is None or not tally.tokens or outcome in ("failed", "rejected"):
        return Decimal(0)
    whole = outcome == "cut_by_client" and beliefs.cut_streams_cost_whole
    written = decision.answer.completion_tokens if whole else tally.tokens
    return decision.model.cost(decision.answer.prompt_tokens, written)
