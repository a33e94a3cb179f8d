"""The pages' templates in the reader's language, and the sentences that the page's scripts say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from adapters.rendering.languages import catalogue, texts
from adapters.rendering.saying import Tongue

HERE = Path(__file__).parent / "templates"


def page(name: str, tongue: Tongue, **values: object) -> str:
    """A page as HTML."""
    return _templates(tongue.language).get_template(name).render(locale=tongue.tag, **values)


@cache
def scripted(language: str) -> Mapping[str, str | list[str]]:
    """What the scripts say, by its English; of what counts, each plural form in the order of the catalogue."""
    said: dict[str, str | list[str]] = {}
    for message in catalogue(language):
        if not any(file.endswith(".js") for file, _ in message.locations) or not message.string:
            continue
        if isinstance(message.id, str):
            said[message.id] = str(message.string)
        else:
            said[message.id[0]] = list(message.string)
    return said


@cache
def _templates(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(texts(language), newstyle=True)  # type: ignore[attr-defined]
    return environment
