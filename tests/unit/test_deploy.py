"""What containers and systemd are told fits the program: its variables, its paths, its way to stop."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bot.settings import Settings

ROOT = Path(__file__).parents[2]
_OTHERS = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "MPLCONFIGDIR", "POSTGRES_PASSWORD"}
_OF_POSTGRES = {"POSTGRES_USER", "POSTGRES_DB"}
_NAMED = {
    "Dockerfile": re.compile(r"^(?:ENV )? *([A-Z_]+)=", re.MULTILINE),
    "compose.yaml": re.compile(r"^ {6}([A-Z_]+): |\$\{([A-Z_]+)", re.MULTILINE),
    "deploy/potluck.service": re.compile(r"^Environment=([A-Z_]+)=", re.MULTILINE),
    "docs/operating.md": re.compile(r"(?:-e |^printf '|\\n)([A-Z_]+)=", re.MULTILINE),
}


def unknown(file: str, text: str) -> Iterable[str]:
    """Variables a file sets that nobody reads."""
    known = {name.upper() for name in Settings.model_fields} | _OTHERS | _OF_POSTGRES
    for names in _NAMED[file].findall(text):
        for name in (names,) if isinstance(names, str) else names:
            if name and name not in known:
                yield name


def test_every_variable_is_one_that_is_read() -> None:
    for file in _NAMED:
        text = (ROOT / file).read_text()
        assert _NAMED[file].search(text), file
        assert list(unknown(file, text)) == [], file


def test_control_a_slip_is_found() -> None:
    assert list(unknown("compose.yaml", "      WEB_TOKN: ${WEB_TOKEN}\n")) == ["WEB_TOKN"]


def test_the_image_gets_all_it_copies_and_nothing_secret() -> None:
    copied = set(re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    wanted = {word for line in copied for word in line.split()}
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == wanted
    assert all((ROOT / word).exists() for word in wanted)


def test_a_stop_is_given_longer_than_potluck_takes() -> None:
    assert "stop_grace_period: 20s" in (ROOT / "compose.yaml").read_text()
    assert "TimeoutStopSec=20" in (ROOT / "deploy/potluck.service").read_text()
