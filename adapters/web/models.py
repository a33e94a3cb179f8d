"""Choosing a model over HTTP: `GET /api/models` says what a member may use, `PUT /api/model` keeps a choice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiohttp import web

from adapters.rendering import words
from adapters.rendering.models import price
from adapters.rendering.saying import Tongue
from adapters.web import inbound
from adapters.web.refusal import Refusal, bad_request
from bot.commands.saying import say
from bot.errors import Refused, ReplyError
from bot.messages import ChosenFor, InConversation, ModelId, Who
from bot.ports import ModelChoices, ModelOnOffer

SHOWN = 1000
"""Models listed at most; OpenRouter has some hundreds."""


class ModelPages:
    """The handlers. With a `conversation` they speak of what was chosen for it, else of what the member chose."""

    def __init__(self, choices: ModelChoices) -> None:
        self._choices = choices

    def routes(self) -> Iterable[web.RouteDef]:
        return (web.get("/api/models", self.models), web.put("/api/model", self.choose))

    async def models(self, request: web.Request) -> web.Response:
        fields = request.query
        who, search = _who(fields), fields.get("search", "")[:200]
        await self._choices.refresh(who.community)
        found = self._choices.usable(who, search, limit=SHOWN, all=fields.get("all") == "true")
        return web.json_response(
            {
                "chosen": self._choices.chosen(_whom(fields, who)),
                "models": [_model(one, inbound.spoken(request)) for one in found],
            }
        )

    async def choose(self, request: web.Request) -> web.Response:
        fields = await inbound.read_json(request)
        who, model = _who(fields), fields.get("model")
        if model is not None and not (isinstance(model, str) and 1 <= len(model) <= 200 and model.isprintable()):
            raise bad_request(say("model: name a model, or use null to leave the choice to Potluck."))
        whom = _whom(fields, who)
        try:
            await self._choices.choose(whom, None if model is None else ModelId(model), who=who)
        except ReplyError as error:
            raise Refusal(403, error.code, _why(error, inbound.spoken(request))) from None
        return web.json_response({"chosen": self._choices.chosen(whom)})


def _who(fields: Mapping[str, object]) -> Who:
    # Whoever may use the page is one of those it is for.
    return Who(member=inbound.member(fields), community=inbound.community(fields), standing="full")


def _whom(fields: Mapping[str, object], who: Who) -> ChosenFor:
    return InConversation(inbound.seat(fields).conversation) if "conversation" in fields else who.member


def _model(one: ModelOnOffer, tongue: Tongue) -> dict[str, object]:
    return {
        "id": one.id,
        "name": one.name,
        "lane": one.lane,
        "free": one.free,
        "price": price(one, brief=True, tongue=tongue),
        "why_not": one.why_not,
        "message": ""
        if one.why_not is None
        else str(words.explain("model_not_allowed", why_not=one.why_not, tongue=tongue)),
    }


def _why(error: ReplyError, tongue: Tongue) -> str:
    return str(
        words.explain(
            error.code,
            reason=error.reason,
            why_not=error.why if isinstance(error, Refused) else None,
            tongue=tongue,
        )
    )
