"""What the bot writes: checked as Discord checks it, and turned into a message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aiohttp import BodyPartReader, web

from tests.fakes.discord import components
from tests.fakes.discord.places import Channel, Payload, Refused
from tests.fakes.discord.world import World

LONGEST, LONGEST_NONCE = 2000, 25
MOST_EMBEDS, LONGEST_DESCRIPTION, LONGEST_EMBEDS = 10, 4096, 6000
EDITABLE = ("content", "embeds", "components", "flags", "attachments")


async def read(request: web.Request) -> tuple[Payload, dict[str, bytes]]:
    """The document of a request and the files beside it."""
    if request.content_type != "multipart/form-data":
        body = await request.read()
        return (json.loads(body) if body else {}), {}
    payload: Payload = {}
    files: dict[str, bytes] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read())
        if part.name == "payload_json":
            payload = json.loads(data)
        else:
            files[part.filename or ""] = data
    return payload, files


def check(payload: Payload, files: Mapping[str, bytes], *, old: Payload | None = None) -> None:
    """Raises: Refused, as Discord would."""
    merged = {**(old or {}), **payload}
    content, embeds = merged.get("content") or "", merged.get("embeds") or []
    attached = [*files, *(one["filename"] for one in _kept(payload, files, old))]
    components.check(merged, payload, attached, old=old)
    if len(content) > LONGEST:
        raise components.invalid("content: Must be 2000 or fewer in length.")
    _check_embeds(embeds)
    if not (content.strip() or merged.get("components") or embeds or attached):
        raise Refused(400, 50006, "Cannot send an empty message")
    if len(str(payload.get("nonce") or "")) > LONGEST_NONCE:
        raise components.invalid("nonce: must be 25 or fewer in length")


def _check_embeds(embeds: Sequence[Payload]) -> None:
    said = [[one.get("title") or "", one.get("description") or ""] for one in embeds]
    if len(embeds) > MOST_EMBEDS or any(len(description) > LONGEST_DESCRIPTION for _, description in said):
        raise components.invalid("embeds: too many, or too long")
    if sum(len(text) for texts in said for text in texts) > LONGEST_EMBEDS:
        raise components.invalid("embeds: Embed size exceeds maximum size of 6000")


def _kept(payload: Payload, files: Mapping[str, bytes], old: Payload | None) -> list[Payload]:
    """Of the files it has, those an edit leaves."""
    before: list[Payload] = (old or {}).get("attachments", [])
    if "attachments" not in payload and not files:
        return before
    keep = {str(one["id"]) for one in payload.get("attachments") or []}
    return [one for one in before if one["id"] in keep]


def fields(
    world: World, channel: Channel, payload: Payload, files: Mapping[str, bytes], *, old: Payload | None = None
) -> Payload:
    """Of a message, what the document says about it."""
    made = {key: payload[key] for key in EDITABLE if key in payload and key != "attachments"}
    if made.get("content", "") is None:
        made["content"] = ""
    for key in ("embeds", "components"):
        if made.get(key, ()) is None:
            made[key] = []
    for number, component in enumerate(components.every(made.get("components") or [])):
        component.setdefault("id", number + 1)
    if "attachments" in payload or files:
        new = [world.attach(channel, name, data, None) for name, data in files.items()]
        made["attachments"] = _kept(payload, files, old) + new
    if old is not None and "flags" in made:
        made["flags"] = int(made["flags"] or 0) | (int(old["flags"]) & components.V2)
    return made
