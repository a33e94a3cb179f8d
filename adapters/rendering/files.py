"""The sentences for files that cannot be used: what is wrong with one, and what would do instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.commands.saying import Say, say
from bot.errors import AttachmentFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`{file}` is the file's name in quotation marks, or "That file". What was passed is `{limit}`, or in bytes
    `{megabytes}`, or in pixels `{millions}`."""

    what: Say
    advice: Say
    why: Say | None = None


FAULTS: Mapping[AttachmentFault, Fault] = {
    "too_many": Fault(
        what=say("Those are too many files for one question: {limit} may come with it."),
        advice=say("Send the most important ones."),
    ),
    "too_large": Fault(
        what=say("{file} is too large: a file may have {megabytes} MB."),
        advice=say("Send a smaller one, or paste what matters into the message."),
    ),
    "too_large_together": Fault(
        what=say("Those files are too large together: {megabytes} MB may come with one question."),
        advice=say("Send fewer or smaller ones."),
    ),
    "no_room": Fault(
        what=say("Too many files are being read at this moment."),
        advice=say("Try again in a minute."),
    ),
    "gone": Fault(
        what=say("I no longer have the files of that question."),
        advice=say("Ask it again with them."),
    ),
    "unavailable": Fault(
        what=say("{file} could not be fetched."),
        advice=say("Send it again, or paste what matters into the message."),
    ),
    "empty": Fault(
        what=say("{file} is empty."),
        advice=say("Send it again, if there should be something in it."),
    ),
    "web_page": Fault(
        what=say("{file} is a web page, not what its name says."),
        why=say("A server may have handed it out in place of the file, such as one that wants you to sign in first."),
        advice=say("Save the file itself, and send that."),
    ),
    "unknown_kind": Fault(
        what=say("{file} is of a kind that cannot be read here."),
        why=say("Images (PNG, JPEG, GIF, WebP), PDFs and files of text can be used. Text has to be saved as UTF-8."),
        advice=say("Send it as one of those, or paste what matters into the message."),
    ),
    "broken": Fault(
        what=say("{file} is damaged, or not what its name says."),
        advice=say("Save it anew and send it again."),
    ),
    "too_many_pixels": Fault(
        what=say("{file} has too many pixels: {millions} million at most, and no side over 8,000."),
        advice=say("Send a smaller copy; models look at a few million at most."),
    ),
    "pdf_locked": Fault(
        what=say("{file} is locked by a password."),
        advice=say("Save a copy without one and send that."),
    ),
    "pdf_without_text": Fault(
        what=say("{file} holds no text, only pictures of pages."),
        why=say("It was scanned, most likely."),
        advice=say("Send the pages that matter as images, or run it through text recognition first."),
    ),
    "pdf_too_heavy": Fault(
        what=say("{file} takes too long to read."),
        advice=say("Send only the pages that matter, or paste their text into the message."),
    ),
    "images": Fault(
        what=say("No model that could answer this can look at images."),
        advice=say("Choose a model that reads them, or say in words what matters and leave the image out."),
    ),
}
