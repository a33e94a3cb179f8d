"""A script of faults: which request meets which, and what a mistake in a file is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.openrouter.sandbox import FaultRule, Faults, load_faults
from bot.openrouter.sandbox.script import COMPLETIONS, Call


def met(*rules: FaultRule, requests: int = 6, seed: int = 0) -> list[str | None]:
    faults = Faults(rules=rules)
    return [
        faults.choose(Call(path=COMPLETIONS, number=number, models=("m",)), seed=seed)
        for number in range(1, requests + 1)
    ]


def test_rules_pick_by_number() -> None:
    assert met(FaultRule(fault="stall", first=2, last=2)) == [None, "stall", None, None, None, None]
    assert met(FaultRule(fault="stall", every=3)) == ["stall", None, None, "stall", None, None]
    assert met(FaultRule(fault="stall", model="other")) == [None] * 6
    assert met(FaultRule(fault="stall", path="/key")) == [None] * 6


def test_the_first_rule_that_meets_a_request_decides() -> None:
    assert met(FaultRule(fault="stall", last=1), FaultRule(fault="length", last=2), requests=2) == ["stall", "length"]


def test_chance_repeats_with_the_seed_and_keeps_its_odds() -> None:
    rule = FaultRule(fault="stall", probability=0.2)
    drawn = met(rule, requests=1000, seed=1)
    assert drawn == met(rule, requests=1000, seed=1)
    assert drawn != met(rule, requests=1000, seed=2)
    assert 150 < drawn.count("stall") < 250
    assert met(FaultRule(fault="stall", probability=0.0)) == [None] * 6


def test_a_file_is_a_list_of_rules(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text(json.dumps([{"fault": "stall", "every": 2, "model": None}, {"fault": "length", "probability": 1}]))
    assert load_faults(file).rules == (FaultRule(fault="stall", every=2), FaultRule(fault="length"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[\n {"fault": "stall",}\n]', "faults.json: line 2, column "),
        ('{"fault": "stall"}', "faults.json: expected a list of rules"),
        ('["stall"]', "rule 1: expected an object"),
        ('[{"fault": "stall"}, {}]', "rule 2: fault: missing"),
        ('[{"fault": "stal"}]', "rule 1: fault: 'stal' is none of "),
        ('[{"fault": "stall", "evry": 2}]', "rule 1: evry: no such field; there are fault, mix, path, "),
        ('[{"fault": "stall", "every": "2"}]', "rule 1: every: expected a whole number"),
        ('[{"fault": "stall", "every": true}]', "rule 1: every: expected a whole number"),
        ('[{"fault": "stall", "last": 1.5}]', "rule 1: last: expected a whole number or null"),
        ('[{"fault": "stall", "every": 0}]', "rule 1: every: 0 is below 1"),
        ('[{"fault": "stall", "first": 0}]', "rule 1: first: 0 is below 1"),
        ('[{"fault": "stall", "first": 3, "last": 2}]', "rule 1: last: 2 is before first, 3"),
        ('[{"fault": "stall", "probability": 1.2}]', "rule 1: probability: 1.2 is not within 0 and 1"),
        ('[{"fault": "stall", "probability": NaN}]', "rule 1: probability: nan is not within 0 and 1"),
        ('[{"fault": "stall", "path": "/kye"}]', "rule 1: path: '/kye' is none of "),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "faults.json"
    file.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message is what is looked at
        load_faults(file)
    assert says in str(caught.value)
    assert str(caught.value).startswith("faults.json: ")


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    with pytest.raises(FileNotFoundError):
        load_faults(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8"):
        load_faults(file)
