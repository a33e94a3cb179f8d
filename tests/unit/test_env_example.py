"""`.env.example` names every variable Potluck reads, with its meaning and its real default, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic.fields import FieldInfo

from bot.settings import Settings, load_settings
from tests.unit.test_settings import environment

FILE = Path(__file__).parents[2] / ".env.example"
VARIABLE = re.compile(r"^# ?([A-Z][A-Z_]+)=(.*)$", re.MULTILINE)


def block(name: str, field: FieldInfo) -> str:
    """The lines of one variable: its meaning, and the default commented out."""
    default = field.default
    if default is None or default == ():
        default = ""
    return f"# {field.description}\n# {name.upper()}={default}\n"


def faults(text: str) -> Iterable[str]:
    """What the file lacks or has too much."""
    known = {name.upper() for name in Settings.model_fields}
    named = [name for name, _ in VARIABLE.findall(text)]
    yield from (f"{name} is not a variable" for name in named if name not in known)
    yield from (f"{name} stands there twice" for name in set(named) if named.count(name) > 1)
    for name, field in Settings.model_fields.items():
        wanted = block(name, field)
        if f"\n\n{wanted}\n" not in f"{text}\n":
            yield f"this is missing:\n{wanted}"


def test_every_variable_stands_there_with_its_meaning_and_default() -> None:
    assert list(faults(FILE.read_text())) == []


def test_unchanged_or_with_every_default_spelt_out_it_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    with environment({}):
        defaults = load_settings(None)
        file.write_text(FILE.read_text())
        assert load_settings(file) == defaults
        file.write_text(VARIABLE.sub(r"\1=\2", FILE.read_text()))
        assert load_settings(file) == defaults


def test_control_a_difference_is_noticed() -> None:
    text = FILE.read_text()
    assert list(faults(text.replace("# POOL_RPM=20", "# POOL_RPM=21")))
    assert list(faults(text.replace("# POOL_RPM=20\n", "")))
    assert list(faults(text + "\n# Nothing reads this.\n# POOL_RPH=20\n"))
    assert list(faults(text + "\n" + block("pool_rpm", Settings.model_fields["pool_rpm"])))
