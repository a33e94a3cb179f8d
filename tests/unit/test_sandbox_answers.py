"""What the sandbox writes: deterministic, harmless whatever was asked, and worth looking at."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.openrouter.sandbox import FAULTS
from bot.openrouter.sandbox.answers import command, thoughts, tokens, topic, write
from bot.openrouter.sandbox.request import Ask


def ask(*questions: str, user: str | None = None) -> Ask:
    messages = [{"role": "user", "content": question} for question in questions]
    return Ask(body={"messages": messages} | ({"user": user} if user else {}))


def written(*questions: str, seed: int = 0, user: str | None = None) -> str:
    return "".join(write(ask(*questions, user=user), seed=seed, faults=FAULTS.values()))


@given(st.text())
def test_tokens_lose_nothing(text: str) -> None:
    assert "".join(tokens(text)) == text
    assert all(tokens(text))


@given(st.text() | st.from_regex(r"(<[a-z]+>|[*_`\[\]()@#|~\\ ]|word|https?://x\.y|sandbox:[a-z]+)*"))
def test_a_topic_has_no_markup_and_is_short(question: str) -> None:
    echoed = topic(question)
    assert 0 < len(echoed) <= 60
    assert not re.search(r"[<>*_`\[\]()@#|~\\:/\n]", echoed)


@given(st.text(), st.integers(0, 3))
def test_the_same_question_and_seed_make_the_same_text(question: str, seed: int) -> None:
    assert written(question, seed=seed) == written(question, seed=seed)


def test_an_answer_refers_to_the_question_and_says_which_it_is() -> None:
    text = written("First", "Second", "What is <b>lentil</b> soup?", user="3fa2c1d9")
    assert "What is lentil soup" in text
    assert "question 3 of this conversation" in text
    assert "`3fa2c1`" in text
    assert "sandbox" in text
    assert "member" not in written("What is lentil soup?")


def test_answers_vary_and_some_have_a_list_a_table_or_code() -> None:
    texts = [written(f"Question {number}") for number in range(60)]
    assert len({text.split("\n\n")[1] for text in texts}) >= 6
    for mark in ("```python", "| --- |", "\n1. ", "\n- "):
        assert any(mark in text for text in texts)


def test_what_is_asked_for_by_name_comes() -> None:
    assert "```python" in written("show me code")
    assert "| --- |" in written("a table please")
    long, short = written("Write me a long story"), written("Write me a story along the shore")
    assert len(long) > 3 * len(short)
    assert long.count("\n\n") >= 8


def test_help_names_every_fault_and_echo_every_message() -> None:
    assert all(f"`{name}`" in written("sandbox:help") for name, fault in FAULTS.items() if fault.of is None)
    assert written("one", "two sandbox:echo") == "```\nuser: one\nuser: two sandbox:echo\n```"
    assert command("no sandboxes: here") is None
    assert command("try sandbox:cut_off, please") == "cut_off"


def test_thoughts_are_about_the_question() -> None:
    assert "lentil soup" in "".join(thoughts(ask("lentil soup")))
