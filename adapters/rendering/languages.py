"""The languages Potluck speaks: one gettext catalogue each, read from its `.po` file when first asked for.

English is what stands in the code. `make texts` gathers it, and `texts/de.po` is the German of all of it.
"""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

TEXTS = Path(__file__).parent / "texts"
ENGLISH = Locale("en")


@cache
def languages() -> frozenset[str]:
    """Those there is a catalogue for, English included: `de`, `en`."""
    return frozenset({"en", *(file.stem for file in TEXTS.glob("*.po"))})


def language(locale: str) -> str:
    """The language to speak to somebody whose platform says this locale (`de-AT`, `pt_BR`): English unless known."""
    first = locale.replace("_", "-").partition("-")[0].lower()
    return first if first in languages() else "en"


@cache
def texts(language: str) -> NullTranslations:
    """The catalogue of one of the `languages`."""
    file = TEXTS / f"{language}.po"
    if language == "en" or not file.exists():
        return NullTranslations()
    with file.open("rb") as source:
        catalogue = read_po(source, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def customs(locale: str) -> Locale:
    """How numbers and dates are written there; as in English where that is not known."""
    try:
        return Locale.parse(locale.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return ENGLISH
