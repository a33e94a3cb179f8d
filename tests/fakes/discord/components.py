"""Components as Discord takes them: the old rows below a text, and Components V2, which are the whole message.

A message with the flag for V2 has neither content nor embeds, shows only those of its files that a component names, and
keeps the flag for good. Sources: Discord's component reference and its message flags.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tests.fakes.discord.places import Payload, Refused

V2 = 1 << 15
LONGEST_V2, MOST_COMPONENTS = 4000, 40
ROW, BUTTON, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = 1, 2, 9, 10, 11, 12, 13, 14, 17
SELECTS = (3, 5, 6, 7, 8)
LINK = 5

_WITHIN: Mapping[int, Collection[int]] = {
    ROW: (BUTTON, *SELECTS),
    SECTION: (TEXT,),
    CONTAINER: (ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR),
}
_TOP_V2 = (ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR, CONTAINER)
_FORBIDDEN_V2 = ("content", "embeds", "sticker_ids", "poll")


def check(merged: Payload, payload: Payload, files: Collection[str], *, old: Payload | None) -> None:
    """What a message would be, what was sent of it, and the files it would have.

    Raises: Refused, as Discord would.
    """
    components, flags = merged.get("components") or [], int(merged.get("flags") or 0)
    if old is not None and int(old["flags"]) & V2 and "flags" in payload and not flags & V2:
        raise invalid("flags: the flag for components V2 cannot be removed")
    v2 = bool((flags | int((old or {}).get("flags", 0))) & V2)
    if v2 and any(merged.get(key) for key in _FORBIDDEN_V2):
        raise invalid("content, embeds, stickers and polls cannot be used with components V2")
    if v2 and not components:
        raise invalid("components: must not be empty")
    _nested(components, _TOP_V2 if v2 else (ROW,))
    if not v2 and len(components) > 5:
        raise invalid("components: Must be 5 or fewer in length.")
    flat = list(every(components))
    if len(flat) > MOST_COMPONENTS:
        raise invalid("components: over 40 in all")
    if sum(len(one["content"]) for one in flat if one["type"] == TEXT) > LONGEST_V2:
        raise invalid("components: over 4000 characters of text")
    ids = [one["custom_id"] for one in flat if "custom_id" in one]
    if len(ids) != len(set(ids)) or any(not 1 <= len(one) <= 100 for one in ids):
        raise invalid("components: custom ids must be unique, of 1 to 100 characters")
    for one in flat:
        _check_one(one, files)


def every(components: Sequence[Payload]) -> Iterator[Payload]:
    """All of them, those within others, too."""
    for one in components:
        yield one
        yield from every(one.get("components", []))
        if "accessory" in one:
            yield one["accessory"]


def named_files(components: Sequence[Payload]) -> set[str]:
    """The attachments that components show."""
    urls = []
    for one in every(components):
        urls += [one[key]["url"] for key in ("file", "media") if key in one]
        urls += [item["media"]["url"] for item in one.get("items", [])]
    return {url.removeprefix("attachment://") for url in urls if url.startswith("attachment://")}


def shown_files(message: Payload) -> list[str]:
    """The names of the files a reader sees."""
    names = [one["filename"] for one in message["attachments"]]
    return [name for name in names if not message["flags"] & V2 or name in named_files(message["components"])]


def texts(message: Payload) -> list[str]:
    """All the text a reader sees, in order."""
    shown = [one["content"] for one in every(message["components"]) if one["type"] == TEXT]
    return [message["content"], *shown] if message["content"] else shown


def invalid(message: str) -> Refused:
    return Refused(400, 50035, f"Invalid Form Body: {message}")


def _nested(components: Sequence[Payload], allowed: Collection[int]) -> None:
    for one in components:
        if one["type"] not in allowed:
            raise invalid(f"components: type {one['type']} must not stand there")
        inner = one.get("components")
        if one["type"] in _WITHIN:
            if not inner:
                raise invalid("components: Must be between 1 and 5 in length.")
            _nested(inner, _WITHIN[one["type"]])
        elif inner:
            raise invalid("components: nothing may stand within it")


def _check_one(one: Payload, files: Collection[str]) -> None:
    kind, inner = one["type"], one.get("components", [])
    if kind == ROW and (len(inner) > 5 or (len(inner) > 1 and any(item["type"] in SELECTS for item in inner))):
        raise invalid("components: a row holds five buttons or one select")
    if kind == SECTION and (len(inner) > 3 or one.get("accessory", {}).get("type") not in (BUTTON, THUMBNAIL)):
        raise invalid("components: a section has up to three texts and an accessory")
    if kind == TEXT and not one["content"].strip():
        raise invalid("content: This field is required")
    if kind == BUTTON:
        _check_button(one)
    for name in named_files([{**one, "components": []}] if kind != SECTION else []):
        if name not in files:
            raise invalid(f"components: attachment {name} not found")


def _check_button(one: Mapping[str, Any]) -> None:
    label, link = one.get("label") or "", one["style"] == LINK
    if not (label or one.get("emoji")) or len(label) > 80:
        raise invalid("label: Must be between 1 and 80 in length.")
    if link != ("url" in one) or link == ("custom_id" in one):
        raise invalid("components: a button has a url or a custom id, as its style says")
