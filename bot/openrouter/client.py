"""The one client of OpenRouter's API, and the only code that knows httpx.

httpx gives the interface; aiohttp, below it, the connections, since httpx's own pool loses a slot now and then
when a request is cancelled before its answer began, which a chat bot does all day. Nothing is ever
repeated: a request is one unit of everybody's allowance, and whether to spend another is not decided here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import SecretStr

from bot.chat_model import ChatRequest, ModelEvent, ModelThinking
from bot.clock import Clock
from bot.errors import FailureKind, UpstreamFailure
from bot.openrouter import loose, wire
from bot.openrouter.errors import Failures
from bot.openrouter.stream import AnswerDecoder
from bot.openrouter.wire import Generation, KeyInfo, ModelInfo

T = TypeVar("T")

ERROR_MAX = 64 * 1024
CATALOGUE_MAX = 16 * 1024 * 1024
"""Bytes of `GET /models`; it is about one megabyte."""
THINKING_EVERY = 1.0
"""Seconds between two signs of life."""
LAST_WORDS = 5.0
"""Seconds a stream may take to say what it cost and to close, once the answer in it is whole."""
DRAIN = 0.25
"""Seconds a stream may take to close after `[DONE]`."""
KEEP_ALIVE = 60.0
"""Seconds an idle connection is kept: a TLS handshake saved for the next question."""

_BROKEN = (httpx.HTTPError, aiohttp.ClientError, OSError, UnicodeError)
"""A connection that fails, or speaks no HTTP. The transport passes some of aiohttp's errors on as they are, and
stumbles over a reason phrase that is no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long to wait, in seconds, before a request is given up."""

    connect: float = 10
    """Until a connection is there, the wait for a free one included."""
    first_token: float = 90
    """From sending to the first text or reasoning. Comments do not count: they can go on for ever."""
    idle: float = 45
    """Without a single byte."""
    total: float = 300


class _Body(httpx.AsyncByteStream):
    """A request's body that tells when it is taken.

    aiohttp holds the head of a request back until it has the first piece of the body and writes both at once.
    So the moment the piece is asked for is the last before any byte can leave.
    """

    def __init__(self, data: bytes, *, deadline: asyncio.Timeout, patience: float, on_sent: Callable[[], None]) -> None:
        self._pieces = iter((data,))
        self._deadline, self._patience, self._on_sent = deadline, patience, on_sent
        self.first_at: float | None = None
        """When the first token is due, in the loop's time. None: nothing has left."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            first_at = asyncio.get_running_loop().time() + self._patience
            self._deadline.reschedule(first_at)  # raises once the deadline has passed: then nothing leaves
            self.first_at = first_at
            self._on_sent()
            return piece
        raise StopAsyncIteration


class OpenRouter:
    """Implements `bot.chat_model.ChatModel`. One per key; holds its connections until `close`.

    Args:
        base_url: ends before `/chat/completions`.
        api_key: one word of printable ASCII.
        referer: the site OpenRouter attributes the requests to; None sends none.
        title: the name it shows beside it.

    Raises:
        ValueError: the key could not be sent as a header.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        clock: Clock,
        deadlines: Deadlines = Deadlines(),
        max_connections: int = 100,
        referer: str | None = None,
        title: str = "Potluck",
    ) -> None:
        _one_word(api_key)
        self.ahead: float | None = None
        """Seconds by which this machine's clock is ahead of OpenRouter's, by the last answer to `key` or `models`;
        None: it named no time. It names whole seconds, and was on its way: half a second and half of that are unsure.
        """
        self._base = base_url.rstrip("/")
        self._chat = httpx.URL(f"{self._base}/chat/completions")
        self._deadlines = deadlines
        self._max_connections = max_connections
        self._clock = clock
        self._failures = Failures(clock=clock, secret=api_key)
        self._tls = _tls(self._base)
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Accept-Encoding": "identity",
            "User-Agent": title,
            "X-OpenRouter-Title": title,
        }
        if referer is not None:
            self._headers["HTTP-Referer"] = referer
        # The transport alone: what httpx's client adds (redirects, cookies, authentication, proxies) is not wanted.
        self._http = AiohttpTransport(verify=self._tls, trust_env=False, client=self._session)

    def _session(self) -> aiohttp.ClientSession:
        """Made at the first request, since it belongs to the loop that runs then."""
        connector = aiohttp.TCPConnector(limit=self._max_connections, ssl=self._tls, keepalive_timeout=KEEP_ALIVE)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def stream(
        self,
        request: ChatRequest,
        *,
        on_sent: Callable[[], None],
        check: Callable[[Mapping[str, object]], None] | None = None,
        on_generation: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[ModelEvent]:
        """See `ChatModel.stream`. `on_sent` and `on_generation` must not raise.

        UNREACHABLE means that nothing was sent; every other failure comes after `on_sent`.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._deadlines.total
        model, document = request.model, wire.chat_document(request)
        del request  # with its images, which are not to stay in memory for as long as the answer takes
        if check is not None:
            check(document)
        encoded = [wire.encoded(document)]
        del document
        response, first_at = await self._send(encoded.pop(), on_sent)
        decoder = AnswerDecoder(
            failures=self._failures,
            model=model,
            generation=response.headers.get("x-generation-id", ""),
        )
        try:
            if not _is_event_stream(response):
                raise await self._failure(response)
            told = ""
            pieces = response.aiter_raw()
            thought_at = loop.time() - THINKING_EVERY
            while not decoder.done:
                if on_generation is not None and decoder.generation != told:
                    on_generation(told := decoder.generation)
                if decoder.finished:
                    ends_at = min(ends_at, loop.time() + LAST_WORDS)
                until = min(ends_at, loop.time() + self._deadlines.idle, ends_at if decoder.begun else first_at)
                piece = await self._next(pieces, until, whole=decoder.finished)
                for event in decoder.close() if piece is None else decoder.feed(piece):
                    if isinstance(event, ModelThinking):
                        if loop.time() < thought_at + THINKING_EVERY:
                            continue
                        thought_at = loop.time()
                    yield event
                if piece is None:
                    break
            end = decoder.end()
            await _drain(pieces)  # before the last word: whoever has that reads no further
            yield end
        except UpstreamFailure as failure:
            failure.generation, failure.usage = decoder.generation, decoder.usage
            raise
        finally:
            with suppress(*_BROKEN):
                await response.aclose()

    async def key(self) -> KeyInfo:
        """What OpenRouter says of the key. Costs no request of the allowance.

        Raises:
            UpstreamFailure: no answer, or one that cannot be understood.
        """
        return await self._get("/key", wire.key_info)

    async def balance(self) -> Decimal:
        """USD left on the account, as `key` otherwise. Many keys may not ask it."""
        return await self._get("/credits", wire.balance)

    async def models(self) -> list[ModelInfo]:
        """Every model there is, as `key` otherwise."""
        return await self._get("/models", wire.model_list)

    async def user_models(self) -> list[ModelInfo]:
        """The models that this key's account may use as its privacy and guardrail settings are, as `key` otherwise."""
        return await self._get("/models/user", wire.model_list)

    async def exchange_code(self, code: str, verifier: str) -> SecretStr:
        """The key of a member who said yes to a link (`bot.openrouter.linking`). Sends no key along.

        Raises:
            UpstreamFailure: as `key`. With a status of 400 to 404 the code was wrong, used or too old.
        """
        wanted = {"code": code, "code_verifier": verifier, "code_challenge_method": "S256"}
        headers = {name: value for name, value in self._headers.items() if name != "Authorization"}
        headers["Content-Type"] = "application/json"
        request = httpx.Request("POST", self._base + "/auth/keys", headers=headers, content=wire.encoded(wanted))
        return await self._told(request, wire.exchanged_key)

    def with_key(self, api_key: SecretStr) -> OpenRouter:
        """The same API by another key, over the same connections: it ends with this one, and is not to be closed.

        Raises:
            ValueError: as for a new one.
        """
        other = copy(self)
        other.use_key(api_key)
        return other

    def use_key(self, api_key: SecretStr) -> None:
        """Go on by another key. A request that is under way keeps the one it left with.

        Raises:
            ValueError: as for a new one.
        """
        key = _one_word(api_key.get_secret_value())
        self._failures = Failures(clock=self._clock, secret=key)
        self._headers = self._headers | {"Authorization": f"Bearer {key}"}

    async def generation(self, generation: str) -> Generation | None:
        """What became of an answer and what it cost, as `key` otherwise.

        None: OpenRouter does not know it, which is usual for some minutes after it ended.

        Args:
            generation: the id that an end or a failure named; not empty.
        """
        try:
            return await self._get(f"/generation?id={quote(generation, safe='')}", wire.generation)
        except UpstreamFailure as failure:
            if failure.status == 404 and failure.kind is FailureKind.NO_ENDPOINTS:
                return None
            raise

    async def close(self) -> None:
        """Close every connection. For when no stream is under way: one that is would notice only by its deadline."""
        await self._http.aclose()

    async def _send(self, data: bytes, on_sent: Callable[[], None]) -> tuple[httpx.Response, float]:
        """The answer's head, and the moment by which its first token is due."""
        deadline = asyncio.timeout(self._deadlines.connect)
        patience = min(self._deadlines.first_token, self._deadlines.total)
        body = _Body(data, deadline=deadline, patience=patience, on_sent=on_sent)
        headers = self._headers | {"Content-Type": "application/json", "Content-Length": str(len(data))}
        try:
            async with deadline:
                response = await self._http.handle_async_request(
                    httpx.Request("POST", self._chat, headers=headers, stream=body)
                )
            if body.first_at is not None:
                return response, body.first_at
            # It spoke before it was asked, so that is no answer. Closing takes the body back: nothing leaves.
            await response.aclose()
            failure = self._failures.of(FailureKind.CUT_OFF)
        except TimeoutError:
            failure = self._failures.of(FailureKind.TIMEOUT)
        except _BROKEN as error:
            failure = self._failures.of(FailureKind.CUT_OFF, detail=str(error))
        if body.first_at is None:
            failure = self._failures.of(FailureKind.UNREACHABLE, detail=failure.detail)
        raise failure

    async def _next(self, pieces: AsyncIterator[bytes], until: float, *, whole: bool) -> bytes | None:
        """The next bytes; None at the end. A stream whose answer is whole may also end in silence or in pieces."""
        try:
            async with asyncio.timeout_at(until):
                return await anext(pieces, None)
        except TimeoutError:
            failure = self._failures.of(FailureKind.TIMEOUT)
        except _BROKEN as error:
            failure = self._failures.of(FailureKind.CUT_OFF, detail=str(error))
        if whole:
            return None
        raise failure

    async def _failure(self, response: httpx.Response) -> UpstreamFailure:
        """What an answer means that is not what was asked for. Its body may trickle: what comes soon has to do."""
        body = b""
        with suppress(TimeoutError, *_BROKEN):
            if _is_plain(response):
                async with asyncio.timeout(self._deadlines.connect):
                    async for piece in response.aiter_raw():
                        body += piece
                        if len(body) >= ERROR_MAX:
                            break
        return self._failures.of_answer(response.status_code, response.headers, body[:ERROR_MAX])

    async def _get(self, path: str, read: Callable[[object], T]) -> T:
        return await self._told(httpx.Request("GET", self._base + path, headers=self._headers), read)

    async def _told(self, request: httpx.Request, read: Callable[[object], T]) -> T:
        try:
            async with asyncio.timeout(self._deadlines.idle):
                asked_at = self._clock.now()
                response = await self._http.handle_async_request(request)
                self.ahead = _ahead(response, (asked_at + self._clock.now()) / 2)
                try:
                    if response.status_code != 200 or not _is_plain(response):
                        raise await self._failure(response)
                    body = bytearray()
                    async for piece in response.aiter_raw():
                        body += piece
                        if len(body) > CATALOGUE_MAX:
                            raise self._failures.of(FailureKind.ENDLESS, status=200)
                finally:
                    with suppress(*_BROKEN):
                        await response.aclose()
        except TimeoutError:
            failure = self._failures.of(FailureKind.TIMEOUT)
        except _BROKEN as error:
            failure = self._failures.of(FailureKind.UNREACHABLE, detail=str(error))
        else:
            try:
                return read(loose.parse(bytes(body)))
            except loose.Unreadable:
                failure = self._failures.of_answer(200, response.headers, bytes(body[:ERROR_MAX]))
        raise failure


def _one_word(api_key: str) -> str:
    if not (api_key and api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ValueError("an API key is one word of printable ASCII")
    return api_key


def _tls(base_url: str) -> ssl.SSLContext:
    """What is needed to speak TLS with an address. Loading whom to trust takes a tenth of a second."""
    if base_url.lower().startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; and it trusts nobody
    return httpx.create_ssl_context(trust_env=False)


def _ahead(response: httpx.Response, at: float) -> float | None:
    """How far a moment is ahead of the answer's `Date`, which is cut down to whole seconds."""
    try:
        date = parsedate_to_datetime(response.headers["date"])
        return at - (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - 0.5
    except (KeyError, ValueError, OverflowError):
        return None


def _is_plain(response: httpx.Response) -> bool:
    """Its bytes are what they say: unpacking a compressed answer nobody asked for could fill the memory."""
    encoding: str = response.headers.get("content-encoding", "identity")
    return encoding.lower() == "identity"


def _is_event_stream(response: httpx.Response) -> bool:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.status_code == 200 and media_type == "text/event-stream" and _is_plain(response)


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read what follows `[DONE]`, which is the end of the body, so that the connection can be used again."""
    with suppress(TimeoutError, *_BROKEN):
        async with asyncio.timeout(DRAIN):
            for _ in range(4):
                if await anext(pieces, None) is None:
                    break
