"""Files that go with the next question, read as they stand when they are attached."""

from __future__ import annotations

import errno
import mimetypes
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from bot.conversation.attachments import MOST_BYTES, check, plain_name
from bot.messages import Attachment


class Attaching:
    """See the module. What can be asked with them, the core says; how much may be read, its bounds say here already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: tuple[Attachment, ...] = ()

    @property
    def names(self) -> Sequence[str]:
        return [plain_name(one.name) for one in self._kept]

    def add(self, path: str) -> None:
        """Attach a file. `~` and quotes are a shell's.

        Raises:
            AttachmentRefused: it would be too large, or one too many.
            OSError: it cannot be read.
        """
        if len(path) > 1 and path[0] == path[-1] and path[0] in "\"'":
            path = path[1:-1]
        where = self._folder / os.path.expanduser(path)
        # A device or a pipe may have no end, or no beginning.
        if not stat.S_ISREG(where.stat().st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        with where.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        media_type = mimetypes.guess_type(where.name)[0] or ""
        wanted = (*self._kept, Attachment(name=where.name, media_type=media_type, content=content))
        check(wanted)
        self._kept = wanted

    def take(self) -> tuple[Attachment, ...]:
        """Those there are; none is attached any more."""
        taken, self._kept = self._kept, ()
        return taken
