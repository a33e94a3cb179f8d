"""Commands over HTTP: which there are, what to offer while one is typed, and running one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from aiohttp import web

from adapters.rendering.charts import draw
from adapters.rendering.saying import Speech
from adapters.web import inbound
from adapters.web.handouts import Handouts
from adapters.web.refusal import bad_request
from bot.clock import Clock
from bot.commands.answer import Answer, DayPicture, Document, Facts, Line, Link, Meter, Next, Part, Table, UsePicture
from bot.commands.command import Caller, Command, Given, Parameter, Path
from bot.commands.registry import Registry
from bot.commands.saying import say
from bot.commands.typed import typed


class CommandPages:
    """The handlers.

    Args:
        all_manage: whoever may open the page looks after it: so where only this machine may.
    """

    def __init__(self, *, registry: Registry, clock: Clock, all_manage: bool) -> None:
        self._registry, self._clock, self._all_manage = registry, clock, all_manage
        self._handouts = Handouts(clock)

    def routes(self) -> Iterable[web.RouteDef]:
        return (
            web.get("/api/commands", self.usable),
            web.post("/api/commands", self.run),
            web.get("/api/commands/suggestions", self.suggestions),
            web.get("/api/handouts/{key}", self._handouts.get),
        )

    async def usable(self, request: web.Request) -> web.Response:
        speech = self._speech(request)
        commands = self._registry.usable(self._caller(request, request.query))
        return web.json_response({"commands": [_command(command, speech) for command in commands]})

    async def suggestions(self, request: web.Request) -> web.Response:
        query = request.query
        path = tuple(query.get("path", "").split())
        found = await self._registry.suggest(
            path, query.get("name", ""), query.get("typed", "")[:200], {}, self._caller(request, query)
        )
        speech = self._speech(request)
        suggestions = [
            {"value": one.value, "about": "" if one.about is None else speech.say(one.about)} for one in found
        ]
        return web.json_response({"suggestions": suggestions})

    async def run(self, request: web.Request) -> web.Response:
        fields = await inbound.read_json(request)
        caller = self._caller(request, fields)
        path, given = self._asked(fields)
        answer = await self._registry.run(path, given, caller)
        return web.json_response(await self._written(answer, self._speech(request)))

    def _needs(self, step: Next, speech: Speech) -> list[dict[str, object]]:
        """The values somebody still has to type before a step can be taken."""
        command = self._registry.find(step.path)
        lacking = [] if command is None else [one for one in command.parameters if one.name not in step.values]
        return [_parameter(one, speech) for one in lacking if one.required]

    def _asked(self, fields: Mapping[str, object]) -> tuple[Path, Mapping[str, Given]]:
        """A line as it was typed, or a path with its values."""
        line = fields.get("line")
        if isinstance(line, str):
            read = typed(line.strip(), self._registry.commands)
            if read is None:
                raise bad_request(say("line: write a command, such as /help."))
            return read.path, read.given
        path, values = fields.get("path"), fields.get("values", {})
        if not (isinstance(path, list) and path and all(isinstance(word, str) for word in path)):
            raise bad_request(say("path: name a command as a list of words, or send a line."))
        if not (isinstance(values, dict) and all(isinstance(one, str | int | float) for one in values.values())):
            raise bad_request(say("values: use an object of texts and figures."))
        return tuple(path), values

    def _caller(self, request: web.Request, fields: Mapping[str, object]) -> Caller:
        member, community = inbound.member(fields), inbound.community(fields)
        return Caller(
            member=member,
            name=member.user,
            community=community,
            standing="full",
            manages=self._all_manage,
            conversation=inbound.seat(fields).conversation if "conversation" in fields else None,
            locale=inbound.locale(request),
        )

    def _speech(self, request: web.Request) -> Speech:
        return Speech(locale=inbound.locale(request), clock=self._clock, zone=inbound.zone(request))

    async def _written(self, answer: Answer, speech: Speech) -> dict[str, object]:
        return {
            "ok": answer.ok,
            "private": answer.private,
            "change": answer.change,
            "ask": answer.ask,
            "parts": [await self._part(part, speech) for part in answer.parts],
        }

    async def _part(self, part: Part, speech: Speech) -> dict[str, object]:
        match part:
            case Line(said=said):
                return {"part": "line", "text": speech.say(said)}
            case Facts(rows=rows):
                return {"part": "facts", "rows": [[speech.say(name), speech.value(value)] for name, value in rows]}
            case Table(head=head, rows=table, none=none):
                return {
                    "part": "table",
                    "head": [speech.say(name) for name in head],
                    "figures": [all(isinstance(row[at], int | float) for row in table) for at in range(len(head))],
                    "rows": [[speech.value(value) for value in row] for row in table],
                    "none": speech.say(none),
                }
            case Meter(used=used, of=of, kept=kept, alt=alt):
                return {"part": "meter", "used": used, "of": of, "kept": kept, "alt": speech.say(alt)}
            case DayPicture() | UsePicture():
                picture = await draw(part, speech)
                url = self._handouts.keep(name="picture.png", media_type="image/png", content=picture.png)
                return {"part": "picture", "url": url, "alt": picture.alt}
            case Document(name=name, media_type=media_type, content=content):
                url = self._handouts.keep(name=name, media_type=media_type, content=content)
                return {"part": "document", "url": url, "name": name}
            case Link(url=url, said=said):
                return {"part": "link", "url": url, "text": speech.say(said)}
            case Next(path=path, values=values, said=said, danger=danger):
                step = {"path": list(path), "values": dict(values), "needs": self._needs(part, speech)}
                return {"part": "next", "text": speech.say(said), "danger": danger, **step}
            case _:
                assert_never(part)


def _command(command: Command, speech: Speech) -> dict[str, object]:
    return {
        "path": list(command.path),
        "about": speech.say(command.about),
        "parameters": [_parameter(one, speech) for one in command.takes],
    }


def _parameter(one: Parameter, speech: Speech) -> dict[str, object]:
    return {
        "name": one.name,
        "kind": one.kind,
        "about": speech.say(one.about),
        "required": one.required,
        "choices": list(one.choices),
    }
