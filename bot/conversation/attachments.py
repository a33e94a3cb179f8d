"""What may come with a message besides its text, and what it turns out to be. Pure.

What a file is, its first bytes say: neither its name nor what the platform calls it is believed. Images are not
decoded here, so a small file that unpacks to a wall of pixels costs nothing; its size stands at its beginning.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.errors import AttachmentRefused
from bot.images import NoImageError, image_size, image_type
from bot.messages import Attachment
from bot.ports import FileKind, KeptFile

MOST_FILES = 5
"""Files that one question may come with."""
MOST_BYTES = 5 * 2**20
"""Of one file. Some providers take no larger image."""
MOST_TOGETHER = 10 * 2**20
"""Bytes of all the files of one question."""
MEGABYTE = 2**20

MOST_SIDE = 8_000
"""Pixels of an image's longer side. Some providers refuse more."""
MOST_PIXELS = 36_000_000
"""Of one image. At 28 by 28 pixels a token, the finest that is not scaled down first, it is 46,000 tokens: what is set
aside for an image on the paid lane is more than that."""
MOST_TEXT = 400_000
"""Bytes of a file's text that are kept: more than the windows of most models."""
NAME_LENGTH = 80

BYTES_PER_TOKEN = 3
_PIXELS_PER_TOKEN = 750
_IMAGE_TOKENS = (256, 4_096)
"""An image is scaled down by most models before they look at it, and takes no more than a few thousand tokens."""
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff", ".ico")
_PDF, _PDF_WITHIN = b"%PDF-", 1024
"""Readers look so far into a file for where its PDF begins."""
_CONTROLS = {chr(code): None for code in (*range(32), 127) if chr(code) not in "\t\n\r\f\b\x1b"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """A file that can be used."""

    name: str
    kind: FileKind
    media_type: str
    size: int
    """Bytes, as it came."""
    content: bytes = field(repr=False)
    """The image, or the text in UTF-8."""
    tokens: int
    cut: bool = False
    """It held more text."""


def check(attachments: Sequence[Attachment]) -> None:
    """They are neither too many nor too large.

    Raises:
        AttachmentRefused: they are.
    """
    if len(attachments) > MOST_FILES:
        raise AttachmentRefused("too_many", limit=MOST_FILES)
    for attachment in attachments:
        if len(attachment.content) > MOST_BYTES:
            raise AttachmentRefused("too_large", name=plain_name(attachment.name), limit=MOST_BYTES // MEGABYTE)
    if sum(len(attachment.content) for attachment in attachments) > MOST_TOGETHER:
        raise AttachmentRefused("too_large_together", limit=MOST_TOGETHER // MEGABYTE)


def check_together(files: Sequence[KeptFile]) -> None:
    """The files of messages that would be one question are not too many for it. Raises as `check`."""
    if len(files) > MOST_FILES:
        raise AttachmentRefused("too_many", limit=MOST_FILES)
    if sum(file.length for file in files) > MOST_TOGETHER:
        raise AttachmentRefused("too_large_together", limit=MOST_TOGETHER // MEGABYTE)


def plain_name(name: str) -> str:
    """A file's name on one line, without folders, quotes and what is not to be seen."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in last).replace('"', "'")
    plain = " ".join(shown.split())
    if len(plain) <= NAME_LENGTH:
        return plain or "file"
    stem, dot, ending = plain.rpartition(".")
    kept = f"{dot}{ending}" if dot and len(ending) <= 8 else ""
    return f"{(stem if kept else plain)[: NAME_LENGTH - len(kept) - 1]}…{kept}"


def is_pdf(attachment: Attachment) -> bool:
    """It is for `bot.conversation.pdfs` to read."""
    called = attachment.media_type.lower().startswith("application/pdf") or attachment.name.lower().endswith(".pdf")
    return attachment.content.startswith(_PDF) or (called and _PDF in attachment.content[:_PDF_WITHIN])


def read(attachment: Attachment) -> ReadFile:
    """An image or a text.

    Raises:
        AttachmentRefused: it is neither, or cannot be used.
    """
    name, content = plain_name(attachment.name), attachment.content
    if not content:
        raise AttachmentRefused("empty", name=name)
    if (media_type := image_type(content)) is not None:
        return _image(name, media_type, content)
    text = _decoded(content)
    if _is_called_binary(attachment):
        if text is None:
            raise AttachmentRefused("unknown_kind", name=name)
        raise AttachmentRefused("web_page" if _is_page(text) else "broken", name=name)
    if text is None:
        raise AttachmentRefused("unknown_kind", name=name)
    return text_file(name, "text", text, size=len(content))


def text_file(name: str, kind: FileKind, text: str, *, size: int, cut: bool = False) -> ReadFile:
    """What a file of text comes to.

    Raises:
        AttachmentRefused: there is no text in it.
    """
    if not text.strip():
        raise AttachmentRefused("empty" if kind == "text" else "pdf_without_text", name=name)
    whole = text.encode(errors="replace")
    content = shortened(whole, MOST_TEXT)
    return ReadFile(
        name=name,
        kind=kind,
        media_type="text/plain" if kind == "text" else "application/pdf",
        size=size,
        content=content,
        tokens=-(-len(content) // BYTES_PER_TOKEN),
        cut=cut or len(content) < len(whole),
    )


def shortened(text: bytes, most: int) -> bytes:
    """The beginning of a text in UTF-8, of so many bytes at most, without half a character at its end."""
    return text if len(text) <= most else text[: max(0, most)].decode(errors="ignore").encode()


def image_tokens(width: int, height: int) -> int:
    """About how many tokens an image takes of a window. What it may cost at most is reckoned in `routing.prices`."""
    least, most = _IMAGE_TOKENS
    return min(max(width * height // _PIXELS_PER_TOKEN, least), most)


def _image(name: str, media_type: str, content: bytes) -> ReadFile:
    try:
        width, height = image_size(media_type, content)
    except NoImageError:
        raise AttachmentRefused("broken", name=name) from None
    if max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
        raise AttachmentRefused("too_many_pixels", name=name, limit=MOST_PIXELS // 1_000_000)
    return ReadFile(
        name=name,
        kind="image",
        media_type=media_type,
        size=len(content),
        content=content,
        tokens=image_tokens(width, height),
    )


def _decoded(content: bytes) -> str | None:
    """The text a file is; None: it is none. What names no encoding must be UTF-8."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    beginning = text[:4096]
    strange = sum(char in _CONTROLS for char in beginning)
    return text if strange * 50 <= len(beginning) else None


def _is_called_binary(attachment: Attachment) -> bool:
    """Its sender or the platform calls it an image or a PDF, which no text is. (SVG is text.)"""
    media_type = attachment.media_type.partition(";")[0].strip().lower()
    name = attachment.name.lower()
    if media_type == "image/svg+xml" or name.endswith(".svg"):
        return False
    return media_type.startswith("image/") or media_type == "application/pdf" or name.endswith((*_PICTURES, ".pdf"))


def _is_page(text: str) -> bool:
    """A web page: what a server hands out that wants its visitor to sign in, or has lost the file."""
    beginning = text[:2048].lower()
    return beginning.lstrip().startswith(("<!doctype html", "<html")) or "<html" in beginning or "<head" in beginning
