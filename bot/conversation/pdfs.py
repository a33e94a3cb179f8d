"""The text of a PDF, read by a process of its own (`pdf_child`) while a thread waits for it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from bot.conversation.attachments import ReadFile, plain_name, text_file
from bot.errors import AttachmentFault, AttachmentRefused
from bot.messages import Attachment

AT_ONCE = 2
"""PDFs read at the same time: each takes a processor."""
SECONDS = 30.0
"""How long one may take, whatever else the machine does."""

_CHILD = Path(__file__).with_name("pdf_child.py")
_FAULTS: dict[str, AttachmentFault] = {
    "pdf_locked": "pdf_locked",
    "pdf_without_text": "pdf_without_text",
    "pdf_too_heavy": "pdf_too_heavy",
    "broken": "broken",
}


class Pdfs:
    """See the module."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def read(self, attachment: Attachment) -> ReadFile:
        """The document's text.

        Raises:
            AttachmentRefused: it is locked, has no text, is broken, or takes too much to read.
        """
        name = plain_name(attachment.name)
        async with self._slots:
            # Started and ended here, so that whoever goes away leaves no process behind.
            process = _start()
            try:
                answer = await asyncio.to_thread(self._answer, process, attachment.content)
            finally:
                process.kill()
        fault, text = answer.get("fault"), answer.get("text")
        if not isinstance(text, str):
            raise AttachmentRefused(_FAULTS.get(str(fault), "pdf_too_heavy"), name=name)
        return text_file(name, "pdf", text, size=len(attachment.content), cut=answer.get("cut") is True)

    def _answer(self, process: subprocess.Popen[bytes], content: bytes) -> dict[str, object]:
        """What the process says; nothing where it was ended."""
        said = b""
        with process:
            try:
                said, _ = process.communicate(content, timeout=self._seconds)
            except (subprocess.TimeoutExpired, OSError):
                process.kill()
        with suppress(ValueError):
            answer = json.loads(said)
            return answer if isinstance(answer, dict) else {}
        return {}


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - no argument is anybody's but ours
        # Isolated, and without the environment, in which there are keys.
        [sys.executable, "-I", str(_CHILD)],
        env={} if os.name == "posix" else None,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
