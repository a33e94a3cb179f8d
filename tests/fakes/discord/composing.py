"""What the bot writes: checked as Discord checks it, and turned into a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord.world import Channel, Payload, Refused, World

LONGEST, LONGEST_V2, MOST_COMPONENTS, LONGEST_NONCE = 2000, 4000, 40, 25
V2 = 1 << 15
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
    content, components = merged.get("content") or "", merged.get("components") or []
    flat = list(_flat(components))
    if int(merged.get("flags") or 0) & V2:
        if content or merged.get("embeds"):
            raise _invalid("content: cannot be used with components V2")
        if sum(len(one.get("content", "")) for one in flat) > LONGEST_V2:
            raise _invalid("components: over 4000 characters of text")
    elif any(one["type"] not in (1, 2, 3, 5, 6, 7, 8) for one in components):
        raise _invalid("components: need the flag for components V2")
    if len(content) > LONGEST:
        raise _invalid("content: Must be 2000 or fewer in length.")
    if not (content.strip() or components or merged.get("embeds") or merged.get("attachments") or files):
        raise Refused(400, 50006, "Cannot send an empty message")
    ids = [one["custom_id"] for one in flat if "custom_id" in one]
    if len(ids) != len(set(ids)) or any(not 1 <= len(one) <= 100 for one in ids) or len(flat) > MOST_COMPONENTS:
        raise _invalid("components: custom ids must be unique, of 1 to 100 characters, and not too many")
    if len(str(payload.get("nonce") or "")) > LONGEST_NONCE:
        raise _invalid("nonce: must be 25 or fewer in length")


def _invalid(message: str) -> Refused:
    return Refused(400, 50035, f"Invalid Form Body: {message}")


def _flat(components: Any) -> Any:
    for one in components:
        yield one
        yield from _flat(one.get("components", []))
        if "accessory" in one:
            yield one["accessory"]


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
    for number, component in enumerate(_flat(made.get("components") or [])):
        component.setdefault("id", number + 1)
    if "attachments" in payload or files:
        keep = {str(one["id"]) for one in payload.get("attachments") or []}
        kept = [one for one in (old or {}).get("attachments", []) if one["id"] in keep]
        made["attachments"] = kept + [world.attach(channel, name, data, None) for name, data in files.items()]
    return made
