"""A script of faults: which request meets which, and what a mistake in a file is called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.openrouter.sandbox import FaultRule, Faults, load_faults
from bot.openrouter.sandbox.faults import WHOLE, faults_of
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


def test_a_rule_may_name_its_requests_an_account_or_a_time() -> None:
    assert met(FaultRule(fault="stall", at=(2, 5))) == [None, "stall", None, None, "stall", None]
    assert met(FaultRule(fault="stall", account="ann")) == [None] * 6

    def at(rule: FaultRule, *, elapsed: float = 0.0, at: float = 0.0) -> str | None:
        call = Call(path=COMPLETIONS, number=1, account="ann", elapsed=elapsed, at=at)
        return Faults(rules=(rule,)).choose(call, seed=0)

    assert at(FaultRule(fault="stall", account="ann")) == "stall"
    after = FaultRule(fault="stall", after=60, until=120)
    assert [at(after, elapsed=elapsed, at=2e9) for elapsed in (59, 60, 119, 120)] == [None, "stall", "stall", None]
    since_1970 = FaultRule(fault="stall", after=1.8e9)
    assert [at(since_1970, elapsed=5e4, at=moment) for moment in (1.7e9, 1.8e9)] == [None, "stall"]


def test_a_mix_draws_by_weight_and_a_class_from_all_of_its_kind() -> None:
    mixed = met(FaultRule(mix={"stall": 3, "class:length": 1}), requests=2000)
    assert 0.7 < mixed.count("stall") / 2000 < 0.8
    assert set(mixed) - {"stall"} == set(faults_of("length"))
    assert set(met(FaultRule(fault="class:whole"), requests=500)) == set(faults_of(WHOLE))


def test_a_fallback_is_drawn_for_apart_from_the_first_model_and_a_rule_may_have_its_own_seed() -> None:
    rule = FaultRule(fault="stall", probability=0.5)

    def drawn(place: int, seed: int, rule: FaultRule = rule) -> list[str | None]:
        faults = Faults(rules=(rule,))
        return [faults.choose(Call(path=COMPLETIONS, number=number, place=place), seed=seed) for number in range(1, 65)]

    assert drawn(0, 1) != drawn(1, 1)
    assert drawn(0, 1, replace(rule, seed=7)) == drawn(0, 2, replace(rule, seed=7)) == drawn(0, 7)


def test_what_is_about_answers_is_no_fault_of_what_has_none() -> None:
    for name in ("length", "upstream_model_first", "key_spent"):
        with pytest.raises(ValueError, match="is none of"):
            FaultRule(fault=name, path="/credits")
    assert FaultRule(fault="key_spent", path="/key").fault == "key_spent"
    with pytest.raises(ValueError, match="is none of"):
        FaultRule(fault="key_spent")


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
    file.write_text(json.dumps([{"mix": {"stall": 1.5, "class:length": 2}, "at": [3, 4], "after": 0.5, "until": None}]))
    assert load_faults(file).rules == (FaultRule(mix={"stall": 1.5, "class:length": 2}, at=(3, 4), after=0.5),)


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
        ('[{"fault": "stall", "after": "1"}]', "rule 1: after: expected a number"),
        ('[{"fault": "stall", "at": 1}]', "rule 1: at: expected a list"),
        ('[{"fault": "stall", "at": [1, "2"]}]', "rule 1: at: expected whole numbers in the list"),
        ('[{"fault": "stall", "at": [1, 0]}]', "rule 1: at: 0 is below 1"),
        ('[{"fault": "stall", "mix": {"length": 1}}]', "rule 1: mix: there is a fault already"),
        ('[{"mix": {"length": "1"}}]', "rule 1: mix: expected a number for each name"),
        ('[{"mix": {"length": 0}}]', "rule 1: mix: weights are not negative, and one is above 0"),
        ('[{"mix": {"lenth": 1}}]', "rule 1: mix: 'lenth' is none of "),
        ('[{"fault": "class:lenth"}]', "rule 1: fault: 'class:lenth' is none of "),
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
