"""What `adapters/rendering/split.py` promises, for any text, any cut of it and two ways of counting."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from adapters.rendering.split import SMALLEST_LIMIT, Limits, Piece, split

FENCED = "```python\ndef area(r):\n    return 3.14159 * r * r\n```\n"
ATOMS = [
    "<@123456789012345678>",
    "<#123456789012345678>",
    "<:partyparrot:123456789012345678>",
    "<t:1790000000:R>",
    "[the docs](https://docs.example.org/a_(b)?q=1&r=2)",
    "https://example.org/a/very/long/path?with=parameters&and=more#fragment",
    "👩‍👩‍👧‍👦",
    "🇨🇭",
    "👍🏽",
    "❤️",
    "e\u0301",
    "각",
    "`inline code`",
    "``a ` b``",
]
words = st.sampled_from(
    [*ATOMS, "word", "and", "a", "longer-words-are-here", "5 < 6", "x.", "Yes!", "中文。", "*", "a_b"]
)
prose = st.lists(words, min_size=1, max_size=40).map(" ".join)
code = st.lists(st.text("abc =()\"'#_", min_size=1, max_size=60).filter(str.strip), min_size=1, max_size=12)


@st.composite
def fenced(draw: st.DrawFn) -> str:
    run = draw(st.sampled_from(["```", "````", "~~~"]))
    language = draw(st.sampled_from(["", "python", "c++", "json5", "text title=x"]))
    lines = [f"x{line}" for line in draw(code)]
    if len(run) == 4:
        lines = ["```js", *lines, "```"]
    return "\n".join([f"{run}{language}", *lines, run])


documents = st.lists(prose | fenced() | st.just("- item\n- other"), min_size=1, max_size=8).map("\n\n".join)
anything = st.text(st.sampled_from("ab `~\n<>[]()@:*.1é\u0301🇨🇭👩\u200d中 \t\r"), max_size=700) | st.text(max_size=400)
texts = documents | anything
limits = st.builds(
    Limits,
    length=st.integers(SMALLEST_LIMIT, 400),
    most=st.just(1000),
    count=st.sampled_from([len, lambda text: sum(5 if sign in "&<>" else 1 for sign in text)]),
)


@given(texts, limits)
@example("x" * 5000, Limits(length=200, most=1000))
@example("`" * 5000, Limits(length=200, most=1000))
@example("\n" * 5000 + "x" + " " * 5000 + "y\n" * 3000, Limits(length=200, most=10_000))
@example("```\n" + "\n" * 1000 + "```" + " " * 1000 + "\nend", Limits(length=200, most=10_000))
@example("`" + "stray " * 300, Limits(length=200, most=1000))
@example("> " * 300 + "```\nx", Limits(length=200, most=1000))
@example("```" + "info" * 300 + "\nx\n```\n`y`", Limits(length=200, most=1000))
def test_pieces_fit_are_not_empty_and_joined_are_the_text(text: str, limits: Limits) -> None:
    cut = split(text, limits)
    assert not cut.rest_as_file
    assert all(0 < limits.count(piece.text) <= limits.length for piece in cut.pieces)
    assert all(piece.text.strip() for piece in cut.pieces)
    assert "".join(piece.body for piece in cut.pieces) == (text if text.strip() else "")
    assert all(piece.body.strip() in piece.text for piece in cut.pieces)


@given(texts, limits, st.integers(0, 700))
def test_a_text_that_grows_keeps_the_pieces_before_its_last(text: str, limits: Limits, length: int) -> None:
    before, after = split(text[:length], limits).pieces, split(text, limits).pieces
    assert before[:-1] == after[: max(0, len(before) - 1)]


@given(documents, limits)
def test_code_is_the_same_code_in_its_language(text: str, limits: Limits) -> None:
    """Read by another parser: nothing of a block falls out of it, nothing gets into one, in no piece."""

    def read(*texts: str) -> tuple[str, list[str], str]:
        tokens = [token for text in texts for token in MarkdownIt().parse(text)]
        blocks = [token for token in tokens if token.type == "fence"]
        spans = [inner for token in tokens for inner in token.children or () if inner.type == "code_inline"]
        languages = [token.info.split()[0] if token.info else "" for token in blocks]
        return (
            "".join("".join(token.content.split()) for token in blocks),
            [one for one, last in zip(languages, [None, *languages], strict=False) if one != last],
            "".join("".join(token.content.split()) for token in spans),
        )

    pieces = split(text, limits).texts
    assert read(*pieces) == read(text)
    for piece in pieces:
        opened = ""
        for line in piece.split("\n"):
            run = re.match(r"`{3,}|~{3,}", line)
            if run and not opened:
                opened = run[0]
            elif run and line.startswith(opened) and not line.strip(opened[0]):
                opened = ""
        assert not opened


@given(st.lists(words, min_size=1, max_size=200).map(" ".join), limits)
def test_what_belongs_together_stays_together(text: str, limits: Limits) -> None:
    pieces = split(text, limits).pieces
    for atom in ATOMS:
        assert sum(piece.body.count(atom) for piece in pieces) == text.count(atom)
    assert all(piece.opening == piece.closing == "" for piece in pieces)


def test_without_spaces_what_belongs_together_stays_together() -> None:
    for atom in ("👩‍👩‍👧‍👦", "🇨🇭", "<@123456789012345678>", "[a](https://b.example/c)", "`code`."):
        pieces = split(atom * 300, Limits(length=200, most=1000)).pieces
        assert len(pieces) > 1
        assert "".join(piece.text for piece in pieces) == atom * 300
        assert all(piece.body.count(atom) * len(atom) == len(piece.body) for piece in pieces)


def test_a_long_block_goes_on_in_its_language() -> None:
    text = "Here:\n\n```python\n" + "".join(f"line_{n} = {n}\n" for n in range(200)) + "```\nDone."
    pieces = split(text, Limits(length=500, most=100)).texts
    assert len(pieces) > 5
    assert pieces[0].startswith("Here:\n\n```python\nline_0 = 0\n")
    assert all(piece.startswith("```python\nline_") for piece in pieces[1:])
    assert all(piece.endswith("\n```") for piece in pieces[:-1])
    assert pieces[-1].endswith("\n```\nDone.")


def test_a_block_that_is_still_being_written_is_shown_closed() -> None:
    assert split("```py\nx = 1", Limits(length=2000, most=9)).texts == ("```py\nx = 1\n```",)


def test_a_long_code_span_goes_on_as_one() -> None:
    first, *rest = split("`" + "word " * 100 + "`", Limits(length=200, most=100)).texts
    assert first.startswith("`word")
    assert all(piece.startswith("`") and piece.endswith("`") and piece.count("`") == 2 for piece in [first, *rest])


def test_a_paragraph_is_rather_left_whole() -> None:
    paragraph = "Some words that stand together. " * 5
    assert split(f"{paragraph}\n\n{paragraph}", Limits(length=200, most=9)).texts == (paragraph.strip(),) * 2


@given(documents, st.integers(1, 3))
def test_after_the_last_piece_comes_a_file(text: str, most: int) -> None:
    whole = split(text, Limits(length=SMALLEST_LIMIT, most=1000)).pieces
    cut = split(text, Limits(length=SMALLEST_LIMIT, most=most))
    assert cut.rest_as_file == (len(whole) > most)
    assert cut.pieces == whole[:most]


def test_limits_that_leave_no_room_are_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        Limits(length=50, most=1)
    assert Piece(body=" x ", opening="```\n", closing="\n```").text == "```\n x \n```"
