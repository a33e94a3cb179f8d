"""The edges of the rules about money: what a mutation run found no other test to notice. See docs/mutation.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import DAY, Instant, day_of
from bot.errors import AnswerFailed, AttachmentRefused, PaidOffer, Refused, ReplyError
from bot.messages import CommunityId, Member, ModelId, Usage
from bot.quota.ledger import PoolId
from bot.routing import paid
from bot.routing.access import Covered, NotCovered, Reach, Rule, ToCommunity, ToMember, Who, covers
from bot.routing.budget import MOST, PERIODS, Budget, Pico, Spend, applying, ends_at, number_of, pico, usd
from bot.routing.catalogue import FREE_ROUTER, ExtraPrice, ModelInfo
from bot.routing.chain import Chain
from bot.routing.guard import costs, guard, guard_paid
from bot.routing.lanes import NoLane, OwnKey, Paid, PaidWay, Purse, Wish, lane
from bot.routing.offer import ANSWER, NOTHING_KNOWN, Offer
from bot.routing.own import own_route
from bot.routing.prices import Priced, Rates, Size, Unpriced, Variable, plain, price, shown
from bot.routing.router import Needs, Route, choose
from tests.unit import test_access, test_paid, test_paid_guard
from tests.unit.test_access import ALL, CHEAP, GPT, PRICED, RATES, TO_ANN, listed, rule, who
from tests.unit.test_catalogue import NOW, catalogue, prices, read

ENTRY = ModelInfo(
    id=ModelId("maker/gpt"),
    name="GPT",
    prompt_price=Decimal(1),
    completion_price=Decimal(2),
    input_modalities=("text",),
    output_modalities=("text",),
)
FREE, SMALL = ModelId("acme/small:free"), ModelId("acme/small")


def not_covered(found: Covered | NotCovered) -> NotCovered:
    assert isinstance(found, NotCovered), found
    return found


# --- who may ---------------------------------------------------------------------------------------------

_RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from([TO_ANN, ToMember(Member("discord", "ben")), ToCommunity(test_access.HERE)]),
        st.sampled_from([ALL, listed("maker/gpt"), listed("maker/other"), Reach(ceiling=CHEAP)]),
        allows=st.booleans(),
        ends=st.sampled_from([None, 500.0, 2000.0]),
    ),
    max_size=5,
)


@given(rules=_RULES, seed=st.randoms(use_true_random=False), cost=st.sampled_from([PRICED, Variable()]))
def test_the_order_of_rules_decides_nothing(rules: list[Rule], seed: Any, cost: Priced | Variable) -> None:
    shuffled = list(rules)
    seed.shuffle(shuffled)
    found = covers(who(), GPT, cost, rules, test_access.NOW)
    other = covers(who(), GPT, cost, shuffled, test_access.NOW)
    assert isinstance(found, Covered) is isinstance(other, Covered)
    if isinstance(found, NotCovered):
        assert found.reason == not_covered(other).reason


def test_a_denial_of_a_list_leaves_the_others() -> None:
    assert isinstance(covers(who(), GPT, PRICED, [rule(reach=listed("maker/o"), allows=False), rule()], NOW), Covered)


@pytest.mark.parametrize("denied", ["maker/gpt:a:b", "maker/gpt"])
def test_a_denial_reaches_a_model_with_the_variants_it_has(denied: str) -> None:
    model = replace(GPT, id=ModelId("maker/gpt:a:b"))
    found = covers(who(), model, PRICED, [rule(), rule(reach=listed(denied), allows=False)], NOW)
    assert not_covered(found).reason == "denied"
    plain_one = covers(who(), GPT, PRICED, [rule(), rule(reach=listed("maker/gpt:a:b"), allows=False)], NOW)
    assert isinstance(plain_one, Covered), "a denial of a variant leaves the model itself"


@pytest.mark.parametrize(
    ("rules", "cost", "reason"),
    [
        ([rule(reach=listed("maker/other"))], PRICED, "model"),
        ([rule()], Variable(), "needs_ceiling"),
        ([rule(ends=1.0)], PRICED, "ended"),
        ([rule(ToCommunity(test_access.HERE))], PRICED, "wide"),
        ([rule(reach=Reach(ceiling=CHEAP))], PRICED, "price"),
        ([rule(allows=False)], PRICED, "denied"),
    ],
)
def test_a_refusal_names_the_rule_it_comes_from(rules: Sequence[Rule], cost: Priced | Variable, reason: str) -> None:
    found = not_covered(covers(who("guest"), GPT, cost, rules, NOW))
    assert (found.reason, found.rule) == (reason, rules[0])


def test_a_router_that_could_pick_what_is_denied_names_the_denial() -> None:
    denial = rule(reach=Reach(ceiling=CHEAP), allows=False)
    found = not_covered(covers(who(), GPT, Variable(), [rule(reach=Reach(ceiling=RATES)), denial], NOW))
    assert (found.reason, found.rule) == ("price", denial)


def test_a_rule_holds_up_to_its_end_and_not_at_it() -> None:
    for at, covered in ((4.999, True), (5.0, False)):
        assert isinstance(covers(who(), GPT, PRICED, [rule(ends=5.0)], Instant(at)), Covered) is covered


# --- what it costs ---------------------------------------------------------------------------------------


def test_a_price_for_each_request_or_image_can_have_a_tier() -> None:
    size = Size(prompt_tokens=10, completion_tokens=1, images=1)
    for name, other in (("request", "image"), ("image", "request")):
        extra = ExtraPrice(name=name, price=Decimal("0.5"))
        found = price(replace(ENTRY, extra_prices=(extra,), surcharges=(f"overrides.{name}",)), size)
        assert isinstance(found, Priced), found
        assert getattr(found.listed, name) == getattr(found.most, name) == Decimal("0.5")
        assert getattr(found.listed, other) == 0


def test_without_images_their_price_is_not_met_and_keeps_no_one_out() -> None:
    extra = ExtraPrice(name="image", price=Decimal("0.5"))
    found = price(
        replace(ENTRY, extra_prices=(extra,), surcharges=("overrides.image",)),
        Size(prompt_tokens=1, completion_tokens=1),
    )
    assert isinstance(found, Priced)
    assert (found.listed.image, found.most.image) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(("value", "unpriced"), [("0", False), ("-1", True), (None, True)])
def test_an_extra_price_is_none_below_zero(value: str | None, unpriced: bool) -> None:
    extra = ExtraPrice(name="prompt", price=None if value is None else Decimal(value))
    found = price(
        replace(ENTRY, extra_prices=(extra,), surcharges=("prompt",)), Size(prompt_tokens=1, completion_tokens=1)
    )
    assert isinstance(found, Unpriced) is unpriced


@given(st.decimals(min_value=0, max_value=10**9, places=12))
def test_a_price_is_written_out_exactly(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert not (("." in text) and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("per_million", "text"),
    [
        ("0.1", "0.10"),
        ("0.0999", "0.0999"),
        ("0", "0.00"),
        ("3", "3.00"),
        ("0.00001", "0.0001"),
        ("12000000", "12000000.00"),
    ],
)
def test_a_price_is_shown_with_two_places_or_as_many_as_a_small_one_needs(per_million: str, text: str) -> None:
    assert shown(Decimal(per_million) / 1_000_000) == text


@pytest.mark.parametrize("amount", ["0", "1000000", "0.000000000001"])
def test_an_amount_goes_to_picodollars_and_back(amount: str) -> None:
    assert usd(pico(Decimal(amount))) == Decimal(amount)


def test_what_is_finer_than_a_picodollar_counts_as_one() -> None:
    assert pico(Decimal("1e-13")) == 1


@pytest.mark.parametrize("amount", ["-0.01", "1000000.000000000001", "NaN", "Infinity"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"^is not an amount from 0 to 1,000,000 US dollars$"):
        pico(Decimal(amount))


@given(at=st.floats(min_value=0, max_value=4e9, allow_nan=False))
def test_a_budgets_period_ends_at_its_next_midnight(at: float) -> None:
    now = Instant(at)
    assert ends_at("ever", now) is None
    day, month = ends_at("day", now), ends_at("month", now)
    assert day is not None
    assert month is not None
    assert now < day <= now + DAY
    assert day_of(day) == day_of(now) + 1
    assert number_of("day", day) == number_of("day", now) + 1
    then = datetime.fromtimestamp(month, UTC)
    assert (then.day, then.hour, then.minute) == (1, 0, 0)
    assert number_of("month", month) == number_of("month", now) + 1
    assert number_of("month", Instant(month - 1)) == number_of("month", now)


def test_a_budget_that_never_ends_has_one_number() -> None:
    assert number_of("ever", NOW) == number_of("ever", Instant(0)) == 0


def test_days_and_months_are_of_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    new_year = Instant(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "AHEAD-14")  # of UTC, by as many hours
        time.tzset()
        assert number_of("month", Instant(new_year - 1)) == (2025 - 1970) * 12 + 11
        assert number_of("month", new_year) == (2026 - 1970) * 12
        assert ends_at("month", Instant(new_year - 1)) == new_year
    time.tzset()


_ANN, _BEN = Member("web", "ann"), Member("web", "ben")
_BUDGETS = st.lists(
    st.builds(
        Budget,
        account=st.sampled_from([PoolId("mine"), PoolId("other")]),
        member=st.sampled_from([None, "each", _ANN, _BEN]),
        community=st.sampled_from([None, CommunityId("web"), CommunityId("slack:T1")]),
        period=st.sampled_from(PERIODS),
        limit=st.just(Pico(1)),
    ),
    unique=True,
)


@given(budgets=_BUDGETS)
def test_a_request_must_fit_every_budget_that_speaks_of_it_its_members_own_before_each_members(
    budgets: list[Budget],
) -> None:
    spend = Spend(account=PoolId("mine"), member=_ANN, community=CommunityId("web"), model=ModelId("x/y"), most=Pico(0))
    found = applying(budgets, spend)
    for one in budgets:
        speaks = one.account == "mine" and one.community != "slack:T1" and one.member != _BEN
        own = any(
            (other.account, other.community, other.period) == ("mine", one.community, one.period)
            for other in budgets
            if other.member == _ANN
        )
        assert (one in found) is (speaks and not (one.member == "each" and own))


_PROMPT_KINDS = ("prompt", "input_cache_read", "input_cache_write", "input_cache_write_1h")
_ANSWER_KINDS = ("completion", "internal_reasoning")


@pytest.mark.parametrize("name", [*_PROMPT_KINDS, *_ANSWER_KINDS])
def test_each_kind_a_token_can_be_charged_as_counts(name: str) -> None:
    dear = Decimal(9)
    entry = replace(ENTRY, extra_prices=(ExtraPrice(name=name, price=dear),), surcharges=(name,))
    found = price(entry, Size(prompt_tokens=0, completion_tokens=0))  # an extra price holds from the first token on
    assert isinstance(found, Priced), found
    assert (found.most.prompt == dear, found.most.completion == dear) == (
        name in _PROMPT_KINDS,
        name in _ANSWER_KINDS,
    )


@pytest.mark.parametrize(
    "name", ["web_search", "audio", "audio_output", "input_audio_cache", "image_output", "discount"]
)
def test_what_is_never_sent_or_asked_for_changes_no_price(name: str) -> None:
    size = Size(prompt_tokens=1, completion_tokens=1)
    entry = replace(ENTRY, extra_prices=(ExtraPrice(name=name, price=Decimal(9)),), surcharges=(name,))
    assert price(entry, size) == price(ENTRY, size)
    assert price(replace(entry, extra_prices=()), size) == price(ENTRY, size), "nor where its price was not kept"


def test_the_largest_amount_is_a_million_dollars_and_periods_are_three() -> None:
    assert pico(Decimal(1_000_000)) == MOST
    assert set(PERIODS) == {"day", "month", "ever"}


# --- where it goes ---------------------------------------------------------------------------------------


def test_a_model_that_shows_pictures_is_bought_only_behind_a_router_and_for_text() -> None:
    for modalities, bought in ((["text", "image"], True), (["image"], False)):
        architecture = {"input_modalities": ["text"], "output_modalities": modalities}
        entry = read(id="openrouter/auto", architecture=architecture, pricing=prices(prompt="-1", completion="-1"))
        offer = Offer(catalogue=catalogue(entry), now=NOW)
        assert (paid.entry_of(entry.id, offer) is not None) is bought


def test_a_paid_question_takes_images_where_they_are_read() -> None:
    blind = read(id="acme/small", pricing=prices(prompt="0.1"), architecture={"output_modalities": ["text"]})
    seeing = read(id="acme/seeing", pricing=prices(prompt="0.1"))
    offer = Offer(catalogue=catalogue(blind, seeing), now=NOW)
    assert paid.route(seeing, offer, Needs(images=True)).images is True
    assert paid.route(blind, offer, Needs()).images is False
    with pytest.raises(Refused) as refused:
        paid.route(blind, offer, Needs(images=True))
    assert refused.value.code == "attachment_refused"


def test_a_paid_question_may_be_as_long_as_what_the_answer_leaves() -> None:
    # Its answers are shorter than others', which leaves more.
    short = read(id="acme/small", pricing=prices(prompt="0.1"), top_provider={"max_completion_tokens": 1000})
    offer = Offer(catalogue=catalogue(short), now=NOW)
    room = offer.room(short.id)
    assert offer.answer(short.id) == 1000
    assert paid.route(short, offer, Needs(tokens=room)).window == room + 1000
    with pytest.raises(Refused, match="too_long"):
        paid.route(short, offer, Needs(tokens=room + 1))
    found = paid.cheapest(offer, room, test_paid.WHO, [test_paid.GRANT])
    assert found == short
    assert paid.cheapest(offer, room + 1, test_paid.WHO, [test_paid.GRANT]) is None


def test_the_cheapest_is_found_behind_what_cannot_be_had() -> None:
    offer = Offer(
        catalogue=catalogue(
            read(id="openrouter/auto", pricing=prices(prompt="-1", completion="-1")),
            read(id="acme/old", pricing=prices(prompt="0.1"), expiration_date="2026-01-01"),
            read(id="acme/small", pricing=prices(prompt="0.1")),
        ),
        now=NOW,
    )
    router_too = replace(test_paid.GRANT, reach=Reach(ceiling=Rates(prompt=Decimal(1), completion=Decimal(1))))
    found = paid.cheapest(offer, 10, test_paid.WHO, [router_too])
    assert found is not None
    assert found.id == SMALL


def test_the_pools_place_is_taken_by_what_is_preferred_if_it_will_do() -> None:
    def instead(preferred: str | None, tokens: int = 10, rules: Sequence[Rule] = (test_paid.GRANT,)) -> str | None:
        wish = None if preferred is None else ModelId(preferred)
        found = paid.instead(wish, test_paid.OFFER, tokens, test_paid.WHO, rules)
        return None if found is None else found.id

    assert instead("acme/dear") == "acme/dear"
    hidden = replace(test_paid.OFFER, hidden=frozenset({ModelId("acme/dear")}))
    found = paid.instead(ModelId("acme/dear"), hidden, 10, test_paid.WHO, (test_paid.GRANT,))
    assert found is not None
    assert found.id == SMALL, "what admins have hidden is not offered"
    for no_good in (
        None,
        "acme/none",
        "acme/small:free",
        "acme/old",
        "openrouter/auto",
        "acme/strange",
        "acme/preview",
    ):
        assert instead(no_good) == SMALL, no_good
    only_small = replace(test_paid.GRANT, reach=Reach(models=frozenset({SMALL})))
    assert instead("acme/dear", rules=[only_small]) == SMALL
    assert instead("acme/dear", tokens=200_000) is None
    assert instead("acme/dear", rules=[]) is None


def test_with_images_it_is_taken_by_what_reads_them_and_costs_least_with_them() -> None:
    words_only = {"input_modalities": ["text"], "output_modalities": ["text"]}
    offer = Offer(
        catalogue=catalogue(
            read(id="acme/blind", pricing=prices(prompt="0.0001"), architecture=words_only),
            read(id="acme/by-image", pricing=prices(prompt="0.0002", image="5")),
            read(id="acme/by-token", pricing=prices(prompt="0.0003")),
        ),
        now=NOW,
    )
    for images, best in ((0, "acme/blind"), (1, "acme/by-token")):
        cheapest = paid.cheapest(offer, 10, test_paid.WHO, [test_paid.GRANT], images=images)
        instead = paid.instead(ModelId("acme/blind"), offer, 10, test_paid.WHO, [test_paid.GRANT], images=images)
        assert cheapest is not None
        assert instead is not None
        assert (cheapest.id, instead.id) == (best, best)
    none_asked = paid.cheapest(offer, 10, test_paid.WHO, [test_paid.GRANT])
    instead_of_none = paid.instead(None, offer, 10, test_paid.WHO, [test_paid.GRANT])
    assert none_asked is not None
    assert none_asked == instead_of_none
    assert none_asked.id == "acme/blind", "there are no images unless it is said"


def test_a_quote_is_of_its_model_and_of_the_moment() -> None:
    entry = paid.entry_of(SMALL, test_paid.OFFER)
    assert entry is not None
    size = Size(prompt_tokens=1, completion_tokens=1)
    assert paid.quote(entry, size, test_paid.WHO, [test_paid.GRANT], NOW).model == SMALL
    ended = replace(test_paid.GRANT, ends_at=NOW)
    assert not_covered(paid.quote(entry, size, test_paid.WHO, [ended], NOW).access).reason == "ended"
    assert paid.cheapest(test_paid.OFFER, 10, test_paid.WHO, [ended]) is None


def test_a_purse_is_enough_to_the_last_picodollar() -> None:
    access = Covered(grant=rule(), limit=RATES, most=RATES)
    way = PaidWay(model=SMALL, access=access, most=Decimal(1), purse=Purse(left=Decimal(1), resets_at=Instant(9)))
    bought = lane("paid_model", own_key=False, pool_spent_until=None, paid=way, pay_when_spent=False)
    assert bought == Paid(model=SMALL, most=Decimal(1), limit=RATES, access=access)
    dear = replace(way, most=Decimal("1.000000000001"))
    refused = lane("paid_model", own_key=False, pool_spent_until=None, paid=dear, pay_when_spent=False)
    assert refused == NoLane(code="budget_spent", resets_at=Instant(9))
    broke = lane("paid_model", own_key=False, pool_spent_until=None, paid=replace(way, purse=None), pay_when_spent=True)
    assert broke == NoLane(code="budget_spent")


@given(
    wish=st.sampled_from(["open", "free_model", "paid_model"]),
    own_key=st.booleans(),
    spent=st.sampled_from([None, Instant(7)]),
    covered=st.sampled_from([None, True, False]),
    left=st.sampled_from([None, Decimal(0), Decimal(1), Decimal(2)]),
    habit=st.booleans(),
)
def test_only_a_wish_for_money_or_the_habit_is_ever_paid(
    wish: Wish, own_key: bool, spent: Instant | None, covered: bool | None, left: Decimal | None, habit: bool
) -> None:
    access = Covered(grant=rule(), limit=RATES, most=RATES) if covered else NotCovered(reason="nobody")
    purse = None if left is None else Purse(left=left, resets_at=None)
    way = None if covered is None else PaidWay(model=SMALL, access=access, most=Decimal(1), purse=purse)
    found = lane(wish, own_key=own_key, pool_spent_until=spent, paid=way, pay_when_spent=habit)
    enough = bool(covered) and left is not None and left >= 1
    asked = wish == "paid_model" or (wish == "open" and habit and spent is not None)
    assert isinstance(found, OwnKey) is own_key
    assert isinstance(found, Paid) is (not own_key and asked and enough)
    if isinstance(found, NoLane):
        offered = not own_key and enough and spent is not None
        assert found.offer == (PaidOffer(model=SMALL, most=Decimal(1)) if offered else None)
        assert found.code != "model_not_allowed" or wish == "paid_model"


# --- what may leave --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        *(
            ({name: value}, name)
            for name, value in [("model", "x/y"), ("max_completion_tokens", 4001), ("provider", {})]
        ),
        *(({name: [1]}, name) for name in ("models", "max_tokens", "tools")),
        ({"tools": []}, "tools"),
    ],
)
def test_what_was_not_paid_for_is_named(changes: dict[str, Any], what: str) -> None:
    sent = test_paid_guard.body(**changes)
    found = guard_paid(sent, model=test_paid_guard.MODEL, completion_tokens=4000, max_price=test_paid_guard.PRICES)
    assert found is not None
    assert (found.kind, found.what, found.trips) == ("unpaid", what, True)


_SAMPLING = {
    **dict.fromkeys(
        ("max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop"), 1
    ),
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "repetition_penalty"), 1),
    "reasoning": {"effort": "low"},
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {},
    "tools": [{"type": "function"}],
    "user": "u",
    "session_id": "s",
    "metadata": {},
    "stream": True,
}


def free_body(**changes: object) -> dict[str, object]:
    return {"model": FREE_ROUTER, "messages": [{"role": "user", "content": "hi"}], **changes}


@pytest.mark.parametrize("name", sorted(_SAMPLING))
def test_what_costs_nothing_may_stand_in_a_body(name: str) -> None:
    assert guard(free_body(**{name: _SAMPLING[name]}), NOTHING_KNOWN) is None
    assert guard({"model": FREE_ROUTER}, NOTHING_KNOWN) is None


@pytest.mark.parametrize(
    ("changes", "kind", "what"),
    [
        ({"models": "acme/small"}, "field", "models"),
        ({"model": None}, "no_model", ""),
        ({"models": [FREE_ROUTER] * 3}, "too_many_models", "4"),
        ({"model": "acme/dear"}, "not_free", "acme/dear"),
        ({"models": ["acme/dear"]}, "not_free", "acme/dear"),
        ({"model": "acme/gone:free"}, "model_gone", "acme/gone:free"),
        ({"model": "acme/gone:free", "models": ["acme/left:free"]}, "model_gone", "acme/gone:free"),
        ({"preset": "x"}, "field", "preset"),
        ({"plugins": [{"id": "web"}]}, "plugin", "[{'id': 'web'}]"),
        ({"plugins": None}, "plugin", "None"),
        ({"tools": [{"type": "web"}]}, "tool", ""),
        ({"messages": [{"content": "fine"}, {"content": [{"type": "file"}]}]}, "part", "file"),
        ({"messages": {"content": [{"type": "file"}]}}, "part", "file"),
        ({"messages": [{"content": {"type": "file"}}]}, "part", "file"),
        ({"messages": [{"content": ["file"]}]}, "part", ""),
        ({"messages": [{"content": 7}]}, "part", ""),
        ({"messages": ["file"]}, "part", ""),
        ({"x" * 200: 1}, "field", "x" * 100),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_free_body_is_named(changes: dict[str, object], kind: str, what: str) -> None:
    found = guard(free_body(**changes), NOTHING_KNOWN)
    assert found is not None
    assert (found.kind, found.what, found.trips) == (kind, what, kind != "model_gone")


def test_what_a_free_answer_cost_is_told() -> None:
    found = costs(Usage(cost_usd=Decimal("0.25")))
    assert found is not None
    assert (found.kind, found.what) == ("cost", "0.25")


# --- what is free ----------------------------------------------------------------------------------------


def refused_by(wish: str | None, needs: Needs, offer: Offer) -> ReplyError:
    with pytest.raises(ReplyError) as refused:
        choose(None if wish is None else ModelId(wish), needs, offer)
    return refused.value


def test_what_nobody_can_have_is_unknown_and_what_is_not_there_has_no_route() -> None:
    unknown = refused_by("acme/none", Needs(), NOTHING_KNOWN)
    assert isinstance(unknown, Refused)
    assert (unknown.code, unknown.why) == ("model_not_allowed", "unknown")
    priced_router = Offer(catalogue=catalogue(read(id=FREE_ROUTER, pricing=prices(prompt="1"))), now=NOW)
    nothing = refused_by(None, Needs(), priced_router)
    assert isinstance(nothing, AnswerFailed)
    assert nothing.code == "no_route"


def test_what_rests_and_what_cannot_see_is_told_by_its_reason() -> None:
    resting = Offer(catalogue=catalogue(read()), cooling={FREE: Instant(NOW + 60)}, now=NOW)
    busy = refused_by(FREE, Needs(), resting)
    assert isinstance(busy, AnswerFailed)
    assert (busy.code, busy.reason, busy.resets_at) == ("upstream_busy", "model_busy", NOW + 60)
    words_only = {"input_modalities": ["text"], "output_modalities": ["text"]}
    blind = read(architecture=words_only)
    dear = read(id="acme/blind", architecture=words_only, pricing=prices(prompt="0.1"))
    offer = Offer(catalogue=catalogue(blind, dear), now=NOW)
    asked: list[Callable[[], object]] = [
        lambda: choose(FREE, Needs(images=True), offer),
        lambda: own_route(FREE, Needs(images=True), offer),
        lambda: paid.route(dear, offer, Needs(images=True)),
    ]
    for ask in asked:
        with pytest.raises(AttachmentRefused) as refused:
            ask()
        assert refused.value.fault == "images"
    seeing = Offer(catalogue=catalogue(read(), blind_too := replace(blind, id=ModelId("acme/b:free"))), now=NOW)
    assert own_route(FREE, Needs(), seeing).images, "those of earlier turns may go along"
    assert not own_route(blind_too.id, Needs(), seeing).images


def test_a_question_may_be_exactly_as_long_as_there_is_room() -> None:
    offer = Offer(catalogue=catalogue(read()), chain=Chain((FREE, FREE_ROUTER)), now=NOW)
    room = offer.room(FREE)
    assert choose(FREE, Needs(tokens=room), offer).models == (FREE,)
    assert own_route(FREE, Needs(tokens=room), offer).models == (FREE,)
    for route in (choose, own_route):
        with pytest.raises(Refused) as refused:
            route(FREE, Needs(tokens=room + 1), offer)
        assert (refused.value.code, refused.value.limit) == ("too_long", room)
    narrow = Offer(catalogue=catalogue(read(context_length=4000)), chain=Chain((FREE, FREE_ROUTER)), now=NOW)
    room = narrow.room(FREE)
    assert choose(None, Needs(tokens=room), narrow).models == (FREE, FREE_ROUTER), (
        "each that it fits, to the last token"
    )
    assert choose(None, Needs(tokens=room + 1), narrow).models == (FREE_ROUTER,)
    assert own_route(None, Needs(tokens=room), narrow).models == (FREE, FREE_ROUTER)
    assert own_route(None, Needs(tokens=room + 1), narrow).models == (FREE_ROUTER,)


@pytest.mark.parametrize(
    ("context", "most", "answer"), [(4000, None, 1000), (10**6, None, ANSWER), (10**6, 50, 50), (4003, 8000, 1000)]
)
def test_an_answer_has_a_quarter_of_the_window_or_less(context: int, most: int | None, answer: int) -> None:
    entry = read(context_length=context, top_provider={"max_completion_tokens": most})
    offer = Offer(catalogue=catalogue(entry), now=NOW)
    assert offer.answer(FREE) == answer
    assert isinstance(offer.answer(FREE), int)
    assert offer.room(FREE) == context - answer


def test_what_has_expired_can_do_nothing_for_the_router() -> None:
    able = read(expiration_date="2026-09-21")
    for moment, can in ((NOW - DAY, True), (NOW, False)):
        offer = Offer(catalogue=catalogue(able), now=Instant(moment))
        assert offer.accepts_images(FREE_ROUTER) is can
        assert offer.supports_tools(FREE_ROUTER) is can
        assert offer.supports_structured(FREE_ROUTER) is can
        assert [one.id for one in catalogue(able).free_models(Instant(moment))] == ([FREE] if can else [])


def test_without_a_catalogue_only_the_router_may_be_shown_images() -> None:
    assert NOTHING_KNOWN.accepts_images(FREE_ROUTER)
    assert not NOTHING_KNOWN.accepts_images(FREE)
    assert NOTHING_KNOWN.gone(FREE)


def test_the_free_models_stand_by_name() -> None:
    names = ["Zed", "Ann", "Mid"]
    models = [read(id=f"acme/m{n}:free", name=f"{name}: X") for n, name in enumerate(names)]
    assert [one.name for one in catalogue(*models).free_models(NOW)] == ["Ann: X", "Mid: X", "Zed: X"]


def test_what_says_nothing_of_itself_is_read_as_the_plainest() -> None:
    plain_one = ModelInfo(
        id=FREE, name="", prompt_price=Decimal(0), completion_price=Decimal(0), output_modalities=("text",)
    )
    assert plain_one.free(NOW)
    route = Route(lane="free", models=(FREE,), window=10, answer=5)
    assert (route.images, route.tools, route.structured, route.notices) == (False, False, False, ())
    needs = Needs()
    assert (needs.images, needs.older_images, needs.tools, needs.structured, needs.tokens) == (*[False] * 4, 0)


@pytest.mark.parametrize(("models", "named"), [((FREE,), True), ((FREE_ROUTER,), False), ((FREE, FREE_ROUTER), False)])
def test_a_route_by_name_is_one_to_a_single_model(models: tuple[ModelId, ...], named: bool) -> None:
    route = Route(lane="free", models=models, window=10, answer=5)
    assert (route.model, route.named) == (models[0], named)


@pytest.mark.parametrize(
    ("ids", "fault"),
    [
        (["openrouter/free", "a/b:free"], "^names openrouter/free before others, which would never have their turn"),
        (["a/b:free", "a/c"], "as number 2"),
        (["a/b"], "as number 1"),
        (["a/b:free", "a/b:free"], "^names a model twice"),
        (["a/b:free", "a/c:free", "a/d:free"], "more than 3 models, openrouter/free included"),
    ],
)
def test_what_is_no_chain_is_told(ids: list[str], fault: str) -> None:
    with pytest.raises(ValueError, match=f"{fault}$"):
        Chain.of(ids)
    assert len(Chain.of(["a/b:free", "a/c:free", "openrouter/free"]).models) == 3


# --- by an account of one's own --------------------------------------------------------------------------


def test_by_an_own_account_images_go_where_they_are_read() -> None:
    blind = read(id="acme/blind:free", architecture={"input_modalities": ["text"], "output_modalities": ["text"]})
    offer = Offer(catalogue=catalogue(blind, read()), chain=Chain((blind.id, FREE, FREE_ROUTER)), now=NOW)
    with_images = own_route(None, Needs(images=True), offer)
    assert (with_images.models, with_images.images) == ((FREE, FREE_ROUTER), True)
    without = own_route(None, Needs(), offer)
    assert (without.models, without.images) == ((blind.id, FREE, FREE_ROUTER), False)
    with pytest.raises(Refused) as refused:
        own_route(blind.id, Needs(images=True), offer)
    assert refused.value.code == "attachment_refused"
    assert own_route(FREE_ROUTER, Needs(images=True), NOTHING_KNOWN).images


def test_by_an_own_account_window_and_answer_fit_every_model() -> None:
    narrow = read(id="acme/narrow:free", context_length=4000, top_provider={"max_completion_tokens": 500})
    offer = Offer(catalogue=catalogue(narrow), chain=Chain((narrow.id, FREE_ROUTER)), now=NOW)
    route = own_route(None, Needs(), offer)
    assert (route.window, route.answer) == (4000, 500)


def test_nothing_but_the_member_who_asks_is_looked_at() -> None:
    other = Who(member=Member("discord", "ben"), community=test_access.HERE, standing="full")
    assert not_covered(covers(other, GPT, PRICED, [rule()], NOW)).reason == "nobody"
    assert Pico(0) == pico(Decimal(0))
