"""English for files that cannot be used: what is wrong with one, and what would do instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import AttachmentFault

KINDS = "Images (PNG, JPEG, GIF, WebP), PDFs and files of text can be used."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`{file}` is the file's name in quotation marks, or "That file". What was passed is `{limit}`, or in bytes
    `{megabytes}`, or in pixels `{millions}`."""

    what: str
    advice: str
    why: str = ""


FAULTS: Mapping[AttachmentFault, Fault] = {
    "too_many": Fault(
        what="Those are too many files for one question: {limit} may come with it.",
        advice="Send the most important ones.",
    ),
    "too_large": Fault(
        what="{file} is too large: a file may have {megabytes} MB.",
        advice="Send a smaller one, or paste what matters into the message.",
    ),
    "too_large_together": Fault(
        what="Those files are too large together: {megabytes} MB may come with one question.",
        advice="Send fewer or smaller ones.",
    ),
    "no_room": Fault(
        what="Too many files are being read at this moment.",
        advice="Try again in a minute.",
    ),
    "gone": Fault(
        what="I no longer have the files of that question.",
        advice="Ask it again with them.",
    ),
    "unavailable": Fault(
        what="{file} could not be fetched.",
        advice="Send it again, or paste what matters into the message.",
    ),
    "empty": Fault(
        what="{file} is empty.",
        advice="Send it again, if there should be something in it.",
    ),
    "web_page": Fault(
        what="{file} is a web page, not what its name says.",
        why="A server may have handed it out in place of the file, such as one that wants you to sign in first.",
        advice="Save the file itself, and send that.",
    ),
    "unknown_kind": Fault(
        what="{file} is of a kind that cannot be read here.",
        why=f"{KINDS} Text has to be saved as UTF-8.",
        advice="Send it as one of those, or paste what matters into the message.",
    ),
    "broken": Fault(
        what="{file} is damaged, or not what its name says.",
        advice="Save it anew and send it again.",
    ),
    "too_many_pixels": Fault(
        what="{file} has too many pixels: {millions} million at most, and no side over 8,000.",
        advice="Send a smaller copy; models look at a few million at most.",
    ),
    "pdf_locked": Fault(
        what="{file} is locked by a password.",
        advice="Save a copy without one and send that.",
    ),
    "pdf_without_text": Fault(
        what="{file} holds no text, only pictures of pages.",
        why="It was scanned, most likely.",
        advice="Send the pages that matter as images, or run it through text recognition first.",
    ),
    "pdf_too_heavy": Fault(
        what="{file} takes too long to read.",
        advice="Send only the pages that matter, or paste their text into the message.",
    ),
    "images": Fault(
        what="No model that could answer this can look at images.",
        advice="Choose a model that reads them, or say in words what matters and leave the image out.",
    ),
}
