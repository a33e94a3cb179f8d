"""Whatever Potluck says it says in German to who speaks it: whole sentences, nothing of it left in English."""

from __future__ import annotations

import ast
import re
from datetime import date
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rendering import chatting, linking, words
from adapters.rendering.languages import languages, preferred
from adapters.rendering.models import price
from adapters.rendering.saying import ENGLISH, Tongue, tongue
from adapters.rendering.why import why
from bot.clock import DAY, Instant
from bot.commands.saying import Percent, Say, Span, Usd, say, says
from bot.errors import (
    AnswerCode,
    AttachmentFault,
    ErrorCode,
    FailureReason,
    LinkFault,
    NotAllowed,
    PaidOffer,
    RefusalCode,
)
from bot.messages import DayLooked, Explanation, Lane, ModelId, NoticeKind, Verdict
from bot.ports import ModelOnOffer

GERMAN = tongue("de")
CODES: tuple[ErrorCode, ...] = (*get_args(RefusalCode), *get_args(AnswerCode), "stopped", "internal")
SHUT = ("bad_key", "out_of_credit", "no_free_models", "cost_seen", "guard", "admin", "something new")
NOON = Instant(1_790_000_000.0 // DAY * DAY + DAY / 2)
ENGLISH_WORDS = re.compile(r"\b(the|and|you|your|is|are|were|has|have|with|for|of|to|not|again|left|used|until)\b")


def at(moment: Instant, tongue: Tongue) -> str:
    return words.at(moment, NOON, tongue=tongue)


def german(text: str) -> bool:
    """Sentences, or a part of one: nothing unfilled, no stray space, no English word."""
    return bool(text) and not ENGLISH_WORDS.search(text) and not re.search(r"[{}]|  |^\s|\s$", text)


def test_an_english_word_is_noticed() -> None:
    """The control."""
    assert german("Der Topf ist leer.")
    assert not german("Der Topf is empty.")
    assert not german(words.notice("model_gone"))
    assert not german("Es geht um {clock} wieder.")


@pytest.mark.parametrize("code", CODES)
def test_every_failure(code: ErrorCode) -> None:
    for limit, partial, may_hold in product((None, 1, 131_072), (False, True), (False, True)):
        again = at(Instant(NOON + DAY / 2), GERMAN)
        said = words.explain(code, again=again, limit=limit, partial=partial, may_hold=may_hold, tongue=GERMAN)
        assert german(str(said)), said
        assert str(said).endswith("."), said
        assert said.headline != words.explain(code, limit=limit).headline, said
        headline = re.match(r"[\s\S]*?[.!?](?=\s|$)", str(said))
        assert headline is not None, said
        assert headline[0] == said.headline, "the page cuts it off there"


def test_every_reason_file_right_and_shut_pool() -> None:
    told = [words.explain("upstream_failed", reason=one, tongue=GERMAN) for one in get_args(FailureReason)]
    told += [words.explain("model_not_allowed", why_not=one, tongue=GERMAN) for one in get_args(NotAllowed)]
    told += [words.explain("pool_paused", shut_for=one, tongue=GERMAN) for one in SHUT]
    for fault, name in product(get_args(AttachmentFault), ("", "katze.png")):
        told.append(words.explain("attachment_refused", file_fault=fault, file_name=name, limit=5 << 20, tongue=GERMAN))
    assert all(german(str(one)) for one in told)
    assert len({one.headline for one in told}) > 60
    large = words.explain("attachment_refused", file_fault="too_large", file_name="a.png", limit=5 << 20, tongue=GERMAN)
    assert large.headline == "„a.png“ ist zu groß: Eine Datei darf 5\xa0MB haben."


def test_an_offer_with_its_price() -> None:
    offer = PaidOffer(model=ModelId("maker/model"), most=Decimal("0.0512"))
    said = str(words.explain("pool_spent", again="morgen um 02:00", limit=1000, offer=offer, tongue=GERMAN))
    assert said.startswith("Der heutige Topf ist leer: Alle 1.000 kostenlosen Anfragen sind verbraucht. ")
    assert said.endswith(" Oder frag sofort maker/model: Das kostet höchstens 0,06\xa0$.")


@pytest.mark.parametrize("kind", get_args(NoticeKind))
def test_every_notice(kind: NoticeKind) -> None:
    assert all(german(words.notice(kind, count, tongue=GERMAN)) for count in (0, 1, 2, 1000))


def test_the_line_the_share_and_what_is_kept() -> None:
    said = [words.queued(place, seconds, tongue=GERMAN) for place in (1, 3) for seconds in (None, 0.0, 41.0, 4000.0)]
    said += [words.held(when, tongue=GERMAN) for when in (None, "um 18:05")]
    said += [words.lane(lane, tongue=GERMAN) for lane in get_args(Lane)]
    said += [
        words.share(used, level, left, sure, until, tongue=GERMAN)
        for used, level, left, sure, until in product((0, 3), (0.5, 50.0), (0, 7), (0, 2), (None, "18:05"))
    ]
    said += [GERMAN.say(one) for one in linking.FAULTS.values()]
    assert all(german(one) for one in said), said
    assert set(linking.FAULTS) == set(get_args(LinkFault))
    assert words.share(3, 50.0, 1047, tongue=GERMAN) == "3 von heute 50 verbraucht · 1.047 übrig"
    assert words.queued(3, 41, tongue=GERMAN) == "Du bist Nummer 3 in der Schlange: etwa 45 Sekunden."


def test_what_is_said_in_chats() -> None:
    constants = [one for one in vars(chatting).values() if isinstance(one, Say)]
    assert len(constants) > 15
    said = [*constants, *chatting.LABELS.values(), chatting.not_fetched("a.png"), chatting.about("Hallo.")]
    assert all(german(GERMAN.say(one).replace("\n", " ").replace("  ", " ")) for one in said)


EXPLANATIONS = st.builds(
    Explanation,
    verdict=st.sampled_from(get_args(Verdict)),
    level=st.floats(min_value=0, max_value=40) | st.just(float("inf")),
    taken=st.integers(0, 40),
    left=st.integers(0, 40),
    held_back_for_others=st.integers(0, 40),
    probably=st.integers(0, 3),
    resets_at=st.just(Instant(NOON + DAY / 2)),
    room_at=st.none() | st.just(Instant(NOON + 3600)),
    may_hold=st.booleans(),
    days=st.lists(
        st.builds(
            DayLooked,
            began=st.just(Instant(NOON - DAY)),
            weight=st.just(1.0),
            level=st.floats(0, 50) | st.just(float("inf")),
        ),
        max_size=3,
    ).map(tuple),
)


@given(EXPLANATIONS | st.none())
def test_why_a_share_is_what_it_is(explanation: Explanation | None) -> None:
    said = why(explanation, resets_at=Instant(NOON + DAY / 2), at=lambda moment: at(moment, GERMAN), tongue=GERMAN)
    for text in (said.headline, *(part for point in said.points for part in (point.about, point.said))):
        assert german(text), text


def test_plural_forms_follow_the_count() -> None:
    days = says("{count} day", "{count} days", 0)
    assert [GERMAN.say(days.counting(count)) for count in (0, 1, 2, 1234)] == [
        "0 Tage",
        "1 Tag",
        "2 Tage",
        "1.234 Tage",
    ]
    assert words.notice("images_dropped", 1, tongue=GERMAN).startswith("1 Bild konnte ")
    assert words.notice("images_dropped", 2, tongue=GERMAN).startswith("2 Bilder konnten ")


def test_figures_money_and_moments_are_written_as_there() -> None:
    assert GERMAN.value(1234.5) == "1.234,5"
    assert GERMAN.value(Usd(Decimal("0.0012"))) == "0,0012\xa0$"
    assert tongue("de-AT").value(Usd(Decimal("1234.5"))) == "$\xa01.234,50", "as in Austria"
    assert GERMAN.value(Percent(0.125)) == "12,5\xa0%"
    assert GERMAN.value(Span(7200)) == "2 Stunden"
    assert GERMAN.day(date(2026, 3, 3), year=False) == "3. März"
    assert at(Instant(NOON + 3600), GERMAN) == "um 13:00 UTC"
    assert at(Instant(NOON + DAY / 2), GERMAN) == "morgen um 00:00 UTC"
    assert at(Instant(NOON + 3 * DAY), GERMAN) == "am 24. September um 12:00 UTC"
    model = ModelOnOffer(
        id=ModelId("a/b"), name="B", lane="paid", prompt=Decimal("0.15"), completion=Decimal("0.6"), at_most=True,
    )  # fmt: skip
    assert price(model, tongue=GERMAN) == "höchstens 0,15\xa0$ hinein, 0,60\xa0$ heraus je Million Token"


@pytest.mark.parametrize(
    ("wishes", "spoken"),
    [
        ("de", "de"), ("de-AT,de;q=0.9,en;q=0.8", "de-AT"), ("fr-FR,fr;q=0.9,de;q=0.5", "de"), ("fr", "en"), ("", "en"),
        ("en-GB,de;q=0.9", "en-GB"), ("de;q=0,en;q=0.1", "en"), ("*", "en"), (";;,q=", "en"), ("de" * 5000, "en"),
        ("de;q=nan,en", "en"),
    ],
)  # fmt: skip
def test_what_is_liked_best_of_what_is_spoken(wishes: str, spoken: str) -> None:
    assert preferred(wishes) == spoken


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,40}", fullmatch=True))
def test_whatever_is_said_to_be_a_locale_can_be_spoken_to(locale: str) -> None:
    someone = tongue(locale)
    assert someone.language in languages()
    assert someone.say(say("{count} left", count=1234.5))
    assert tongue(preferred(locale)).language in languages()


def test_an_unknown_language_is_english() -> None:
    assert tongue("fr-CA").say(chatting.THINKING) == chatting.THINKING.text
    assert tongue("fr-CA").number(1234.5) == ENGLISH.number(1234.5), "and in English figures are, too"


ROOT = Path(__file__).parents[2]


def test_nothing_is_worded_without_saying_for_whom() -> None:
    rendering = ROOT / "adapters" / "rendering"
    speaking = {
        node.name
        for file in rendering.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and any(one.arg == "tongue" for one in node.args.kwonlyargs)
    }
    assert {"explain", "notice", "why", "price", "at"} <= speaking, "the control"
    silent = []
    for file in (ROOT / "adapters").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or any(given.arg in ("tongue", None) for given in node.keywords):
                continue
            match node.func:
                case ast.Attribute(value=ast.Name(id="words" | "models"), attr=name) if name in speaking:
                    silent.append(f"{file.relative_to(ROOT)}:{node.lineno}")
                case ast.Name(id="why" | "price"):
                    silent.append(f"{file.relative_to(ROOT)}:{node.lineno}")
                case _:
                    pass
    assert not silent
