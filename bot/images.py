"""What an image is and how large, by its first bytes. Pure, and nothing is decoded.

The four kinds are those OpenRouter passes on: PNG, JPEG, GIF and WebP.
"""

from __future__ import annotations

from struct import error as StructError
from struct import unpack_from

_PNG = b"\x89PNG\r\n\x1a\n"
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})
"""JPEG's markers among those of frames that begin none."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""And those without a length."""
_END, _SCAN = 0xD9, 0xDA


class NoImageError(Exception):
    """It begins as an image and goes on as none."""


def image_type(content: bytes) -> str | None:
    """The media type of an image; None: it is none of the four kinds."""
    if content.startswith(_PNG):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return None


def image_size(media_type: str, content: bytes) -> tuple[int, int]:
    """Width and height in pixels, both at least 1.

    Raises:
        NoImageError: it does not say.
    """
    readers = {"image/png": _png, "image/jpeg": _jpeg, "image/gif": _gif, "image/webp": _webp}
    try:
        width, height = readers[media_type](content)
    except (StructError, IndexError):
        raise NoImageError from None
    if width < 1 or height < 1:
        raise NoImageError
    return width, height


def _png(content: bytes) -> tuple[int, int]:
    if content[12:16] != b"IHDR":
        raise NoImageError
    width, height = unpack_from(">II", content, 16)
    return width, height


def _gif(content: bytes) -> tuple[int, int]:
    width, height = unpack_from("<HH", content, 6)
    return width, height


def _jpeg(content: bytes) -> tuple[int, int]:
    at = 2
    while True:
        if content[at] != 0xFF:
            raise NoImageError
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker in _ALONE:
            continue
        if marker in (_END, _SCAN):
            raise NoImageError
        (length,) = unpack_from(">H", content, at)
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = unpack_from(">HH", content, at + 3)
            return width, height
        at += max(2, length)


def _webp(content: bytes) -> tuple[int, int]:
    match content[12:16]:
        case b"VP8 " if content[23:26] == b"\x9d\x01\x2a":
            width, height = unpack_from("<HH", content, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L" if content[20] == 0x2F:
            (bits,) = unpack_from("<I", content, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width, high_byte, height, other = unpack_from("<HBHB", content, 24)
            return width + (high_byte << 16) + 1, height + (other << 16) + 1
        case _:
            raise NoImageError
