"""Files as people send them, and as nobody should: made here, byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

from pypdf import PdfReader, PdfWriter

from bot.messages import Attachment


def png(width: int = 64, height: int = 48) -> bytes:
    """A whole PNG of one colour, or only its head where the size is a lie."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\x40" * width) * height) if width * height < 1_000_000 else b""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A JPEG's head: a comment with a false frame in it, then the true one."""
    comment = b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01"
    return (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
        + b"\xff\xfe"
        + struct.pack(">H", len(comment) + 2)
        + comment
        + b"\xff\xff\xc2\x00\x11\x08"
        + struct.pack(">HH", height, width)
        + b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xda"
    )


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


def webp(width: int, height: int, kind: str = "VP8X") -> bytes:
    match kind:
        case "VP8X":
            sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
            body = b"VP8X\x0a\0\0\0\0\0\0\0" + sides
        case "VP8L":
            body = b"VP8L\x10\0\0\0\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
        case _:
            body = b"VP8 \x20\0\0\0\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def pdf(*pages: str, raw: Sequence[bytes] | None = None, encrypt: str = "") -> bytes:
    """A PDF with a page of text for each. `raw`: the pages' compressed contents as they are; `encrypt`: a password."""
    contents = raw or [
        zlib.compress(b"BT /F1 12 Tf 20 700 Td (" + page.encode("latin-1") + b") Tj ET") for page in pages
    ]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, content in enumerate(contents):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            + f"/Contents {5 + 2 * number} 0 R >>".encode()
        )
        objects.append(
            f"<< /Length {len(content)} /Filter /FlateDecode >>\nstream\n".encode() + content + b"\nendstream"
        )
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode()
    if not encrypt:
        return bytes(out)
    writer, locked = PdfWriter(clone_from=PdfReader(io.BytesIO(out))), io.BytesIO()
    writer.encrypt(encrypt)
    writer.write(locked)
    return locked.getvalue()


def pdf_bomb(megabytes: int = 400) -> bytes:
    """A small PDF whose one page unpacks to so much."""
    packer, packed = zlib.compressobj(9), bytearray()
    for _ in range(megabytes):
        packed += packer.compress(b"(a) Tj " * (2**20 // 7))
    packed += packer.flush()
    return pdf(raw=[bytes(packed)])


def attachment(name: str, content: bytes | str, media_type: str = "application/octet-stream") -> Attachment:
    return Attachment(
        name=name, media_type=media_type, content=content if isinstance(content, bytes) else content.encode()
    )
