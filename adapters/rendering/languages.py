"""The languages Potluck speaks: one gettext catalogue each, read from its `.po` file when first asked for.

English is what stands in the code. `make texts` gathers it, and `texts/de.po` is the German of all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError, default_locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

TEXTS = Path(__file__).parent / "texts"
DEFAULT = "en"
_WISH = re.compile(r"\s*([A-Za-z0-9-]{1,35}|\*)\s*(?:;\s*q\s*=\s*([0-9.]{1,6})\s*)?")


@cache
def languages() -> frozenset[str]:
    """Those there is a catalogue for, English included: `de`, `en`."""
    return frozenset({DEFAULT, *(file.stem for file in TEXTS.glob("*.po"))})


def language(locale: str) -> str:
    """The language to speak to somebody whose platform says this locale (`de-AT`, `pt_BR`): English unless known."""
    first = locale.replace("_", "-").partition("-")[0].lower()
    return first if first in languages() else DEFAULT


def preferred(wishes: str) -> str:
    """Of what a browser asks for (RFC 9110, `Accept-Language`), the locale it likes best that can be spoken."""
    best, liked = DEFAULT, 0.0
    for locale, quality in _wishes(wishes[:1000]):
        if quality > liked and locale.partition("-")[0].lower() in languages():
            best, liked = locale, quality
    return best


def locale_here() -> str:
    """What this machine's user is spoken to in: LC_ALL, LC_MESSAGES or LANG, and before them LANGUAGE, say it."""
    try:
        # Babel would ask LC_CTYPE first, which Python sets by itself where LANG's locale is not installed.
        found = default_locale(("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")) or DEFAULT
    except ValueError:
        return DEFAULT
    return DEFAULT if found.endswith("POSIX") else found


def _wishes(header: str) -> Iterator[tuple[str, float]]:
    for one in header.split(","):
        if (found := _WISH.fullmatch(one)) is not None:
            try:
                yield found[1], float(found[2] or 1)
            except ValueError:
                continue


@cache
def catalogue(language: str) -> Catalog:
    """What the `.po` file of one of the `languages` holds; of English nothing."""
    file = TEXTS / f"{language}.po"
    if language == DEFAULT or not file.exists():
        return Catalog(locale=DEFAULT)
    with file.open("rb") as source:
        return read_po(source, locale=language)


@cache
def texts(language: str) -> NullTranslations:
    """The same, to look texts up in. One that is not there is said in English."""
    if language == DEFAULT:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return GNUTranslations(compiled)


@lru_cache(maxsize=256)
def customs(locale: str) -> Locale:
    """How numbers and dates are written there; as in English where that is not known.

    The language is the one that is spoken: numbers are as in the reader's country where it is spoken too.
    """
    spoken = language(locale)
    try:
        return Locale.parse((locale if locale.lower().startswith(spoken) else spoken).replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return Locale(spoken)
