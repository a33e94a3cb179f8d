"""Every text stands in every language's catalogue, translated, with the same values in it; none is left outside."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg

from adapters.discord.binding import _COMMUNITY
from adapters.rendering import languages
from adapters.rendering.languages import catalogue
from adapters.rendering.saying import tongue
from bot.commands.all import ALL
from bot.commands.command import COMMUNITY

ROOT = Path(__file__).parents[2]
TEXTS = languages.TEXTS
OTHERS = sorted(languages.languages() - {"en"})
KEYWORDS = DEFAULT_KEYWORDS | {"say": None, "says": (1, 2)}
CORE, EDGE = ROOT / "bot" / "commands", ROOT / "adapters"
Id = str | tuple[str, ...]


@cache
def gathered() -> frozenset[Id]:
    """What `make texts` gathers."""
    with (TEXTS / "gather.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found: set[Id] = set()
    for folder in (CORE, EDGE):
        for _, _, text, _, _ in extract_from_dir(folder, methods, options, keywords=KEYWORDS):
            found.add(text if isinstance(text, str) else tuple(text))
    return frozenset(found)


def entries(catalogue: Catalog) -> dict[Id, Message]:
    return {
        tuple(entry.id) if isinstance(entry.id, list | tuple) else entry.id: entry for entry in catalogue if entry.id
    }


def forms(entry: Message) -> list[str]:
    return [entry.string] if isinstance(entry.string, str) else list(entry.string or ())


def slots(text: str) -> list[str]:
    """What is put into a text, and the tags in it."""
    braces = [name for _, name, _, _ in Formatter().parse(text) if name]
    return sorted([*braces, *re.findall(r"%\(\w+\)s|</?\w+|`", text)])


def faults(catalogue: Catalog, wanted: Iterable[Id]) -> list[str]:
    """What is wrong with a language's catalogue, in a line each."""
    found, known = [], entries(catalogue)
    for id in wanted:
        entry, english = known.get(id), [id] if isinstance(id, str) else list(id)
        if entry is None:
            found.append(f"is not there: {english[-1]}")
        elif (
            entry.fuzzy
            or not all(forms(entry))
            or len(forms(entry)) != (catalogue.num_plurals if len(english) > 1 else 1)
        ):
            found.append(f"is not translated: {english[-1]}")
        elif any(slots(form) != slots(english[min(at, len(english) - 1)]) for at, form in enumerate(forms(entry))):
            found.append(f"holds other values: {english[-1]}")
    found += [f"is said nowhere: {id}" for id in known.keys() - set(wanted)]
    return found


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_is_whole(language: str) -> None:
    assert len(gathered()) > 900, "the control"
    assert not faults(catalogue(language), gathered()), "`make texts` brings it up to date; then translate what is new"


def test_german_is_one_of_them() -> None:
    assert "de" in OTHERS


def test_what_is_missing_broken_or_left_over_is_found() -> None:
    """The control."""
    broken = Catalog(locale="de")
    broken.add("It costs {most}.", "Es kostet {mehr}.")
    broken.add("Left over", "Übrig")
    broken.add("Perhaps", "Vielleicht", flags=["fuzzy"])
    broken.add(("{count} day", "{count} days"), ("{count} Tag", ""))
    wanted: list[Id] = ["It costs {most}.", "New", "Perhaps", ("{count} day", "{count} days")]
    assert sorted(fault.partition(":")[0] for fault in faults(broken, wanted)) == [
        "holds other values", "is not there", "is not translated", "is not translated", "is said nowhere",
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["en", *OTHERS])
def test_discord_takes_the_commands_in_every_language(language: str) -> None:
    """100 characters for each description, 8,000 for all of a command with what is below it."""
    speaker, sizes = tongue(language), Counter[str]()
    for command in ALL:
        named = [(one.name, _COMMUNITY if one is COMMUNITY else one.about) for one in command.takes]
        for name, about in [(command.path[-1], command.about), *named]:
            assert len(speaker.say(about)) <= 100, about.text
            sizes[command.path[0]] += len(name) + max(len(speaker.say(about)), len(about.text))
        sizes[command.path[0]] += sum(2 * len(choice) for one in command.takes for choice in one.choices)
    assert sizes["admin"] > 5000, "the control"
    assert max(sizes.values()) <= 8000


@pytest.mark.parametrize("language", OTHERS)
def test_texts_are_set_as_the_language_sets_them(language: str) -> None:
    for entry in catalogue(language):
        for form in forms(entry) if entry.id else []:
            assert form == form.strip(), form
            assert "  " not in form, form
            if language == "de":
                assert not re.search(r'"(?![^<]*>)|\'|”', form), f"quotation marks are „ and “: {form}"
                assert not re.search(r"\b(Sie|Ihnen|Ihre?[mnrs]?)\b", _within(form)), f"readers are du: {form}"


def _within(form: str) -> str:
    """Without the first word of each sentence and clause, which is written with a capital whatever it is."""
    return re.sub(r"(^|[.:;!?“] )\w+", r"\1", form)


# --- nothing is said outside ---------------------------------------------------------------------------------

OPERATORS = {
    "terminal/findings.py": "the doctor speaks to who runs Potluck, and to programs that read it",
    "terminal/simulation.py": "a tool for who runs Potluck",
    "rendering/plots.py": "pictures of the simulator",
    "discord/doctor.py": "the doctor",
    "discord/adapter.py": "the doctor",
    "slack/examine.py": "the doctor",
    "slack/workspace.py": "the doctor",
    "slack/adapter.py": "what it prints at the start",
    "slack/manifest.py": "the app's manifest, which has one language",
}
"""Files whose sentences are for whoever runs Potluck, in English as its documentation is."""
ALLOWED = {
    "offset points", "go on {}",
    "<!doctype html><html lang={}><title>Potluck</title><h1>{}</h1><p>{}</p></html>",
    # Where a question is asked, for the model.
    "a direct message on Discord", "the #{} {} of a Discord server", "a {} of a Discord server",
    "direct messages in Slack", "a thread in a channel of a Slack workspace", "the Potluck web page",
    "a terminal", "\n\nEarlier in this thread:\n{}\n{}",
    # What the log and `/readyz` say.
    "another program uses this token",
    # The line below the bot's name on Discord: one for all who see it, wherever they are.
    "The pool is shut; an admin has to look", "Today's {} are used up", "The pool takes a break",
    "{} of {} left today{}",
}  # fmt: skip
_LOGGED = {"info", "warning", "error", "debug", "exception"}


class _Sentences(ast.NodeVisitor):
    """Literal texts of two English words and more that no catalogue knows."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """What is raised is for programs; what a person reads of it is a `say`."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in ("say", "says"):
            for given in node.keywords:
                self.visit(given.value)
        elif not (name in _LOGGED and isinstance(node.func, ast.Attribute)):
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._look("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._look(node.value)

    def _look(self, text: str) -> None:
        if re.search(r"\b[A-Za-z]{2,} [a-z]{2,}\b", text) and text not in ALLOWED and text[0] != "/":
            self.found.append(text)


def outside(source: str) -> list[str]:
    sentences = _Sentences()
    sentences.visit(ast.parse(source))
    return sentences.found


def _sources() -> Iterator[Path]:
    yield from (file for file in EDGE.rglob("*.py") if str(file.relative_to(EDGE)) not in OPERATORS)


def test_no_sentence_stands_outside_the_catalogue() -> None:
    found = {str(file.relative_to(ROOT)): left for file in _sources() if (left := outside(file.read_text()))}
    assert not found, "wrap it in say(…)"


def test_a_sentence_outside_is_found() -> None:
    """The control."""
    assert outside('def f(n):\n    """Not this one."""\n    send(f"There are {n} of them.")') == [
        "There are {} of them."
    ]
    assert not outside('send(say("There are {n} of them.", n=n))\nlog.info("nothing to see here")')


def test_the_scripts_say_nothing_that_was_not_gathered() -> None:
    known = {id if isinstance(id, str) else id[0] for id in gathered()}
    said = set()
    for file in (EDGE / "web" / "static").glob("*.js"):
        said |= set(re.findall(r'gettext\(\s*"((?:[^"\\]|\\.)*)"', file.read_text()))
    assert len(said) > 60, "the control"
    assert said <= known, "a call within another, or in a template literal, is not gathered"


def test_python_says_nothing_that_was_not_gathered() -> None:
    known = {id if isinstance(id, str) else id[0] for id in gathered()}
    for file in (*CORE.rglob("*.py"), *EDGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("say", "says"):
                first = node.args[0]
                assert isinstance(first, ast.Constant), f"{file}:{node.lineno}: its text is not written out"
                assert first.value in known, f"{file}:{node.lineno}"
