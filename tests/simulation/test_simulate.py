"""`potluck simulate`: whole days through the scheduler that runs in service, and what is told of them."""

from __future__ import annotations

import asyncio
import csv
import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.__main__ import main
from bot.clock import DAY, Instant, SystemClock, day_of
from bot.conversation.holding import LOOK_EVERY, until_next_look
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.figures import figures, of_the_clairvoyant
from bot.quota.history import DAYS
from bot.quota.ledger import PoolId
from bot.quota.replay import Months, Policy
from bot.quota.replay import Setting as ReplaySetting
from bot.quota.simulated import POLICIES, Fate, Happened, Setting
from bot.quota.simulation import simulate
from bot.quota.traffic import Request, by_day, of_days
from bot.quota.workloads import Kind, make
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.migration import migrate

ENDINGS = {"answered", "failed", "refused", "expired"}
RPD = 50


@cache
def traffic(kind: Kind, days: int = 4) -> Sequence[Request]:
    """The first days after the warm-up, where the warm-up is only history."""
    return of_days(make(kind, rpd=RPD, days=DAYS + days))


def split(kind: Kind, days: int = 4) -> tuple[list[Request], list[Request]]:
    requests = traffic(kind, days)
    first = requests[0].day + DAYS
    return [one for one in requests if one.day < first], [one for one in requests if one.day >= first]


def told(setting: Setting, kind: Kind = "burst", days: int = 2) -> list[Happened]:
    history, requests = split(kind, days)
    events: list[Happened] = []
    simulate(setting, requests, history=history, tell=events.append)
    return events


@cache
def ran(kind: Kind, policy: Policy, *, hold: bool = True, days: int = 4) -> Sequence[Fate]:
    history, requests = split(kind, days)
    return simulate(Setting(policy=policy, rpd=RPD, hold=hold), requests, history=history)


SETTINGS = [
    *(Setting(policy=policy, rpd=RPD, rpm=3, patience=30) for policy in POLICIES),
    Setting(rpd=RPD, rpm=3, failures=0.4, patience=600, promise_units=1),
    Setting(rpd=RPD, rpm=3, hold=False, patience=0, between_communities=True),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_request_has_one_ending_and_the_caps_hold(setting: Setting) -> None:
    events = told(setting)
    assert [one.at for one in events] == sorted(one.at for one in events)
    by_id: dict[int, list[Happened]] = {}
    for one in events:
        by_id.setdefault(one.request.id, []).append(one)
    assert len(by_id) == len(split("burst", 2)[1])
    under_way: Counter[str] = Counter()
    for story in by_id.values():
        request, kinds = story[0].request, [one.event for one in story]
        assert story[0].at == request.at
        assert kinds[0] == "asked"
        assert len(set(kinds)) == len(kinds), "each at most once"
        assert [kind for kind in kinds if kind in ENDINGS] == kinds[-1:], "one ending, and it is the last"
        assert ("sent" in kinds) == (kinds[-1] in ("answered", "failed"))
        assert "held" not in kinds or setting.hold
        for one in story:
            if one.event == "sent":
                assert day_of(one.at) == request.day
            if one.event == "expired":
                assert one.at == (request.day + 1) * DAY, "what is unsent at 00:00"
    for one in events:
        under_way[one.request.user] += (one.event == "sent") - (
            one.event in ("answered", "failed") and _was_sent(by_id, one)
        )
        assert under_way[one.request.user] <= 1, "one in flight for each member"
    starts = [one.at for one in events if one.event in ("sent", "retried")]
    assert max(Counter(map(day_of, starts)).values()) <= setting.rpd
    assert max(Counter(int(at // 60) for at in starts).values()) <= setting.rpm
    assert all(later - at > 60 for at, later in zip(starts, starts[setting.rpm :], strict=False))
    assert any(one.event == "retried" for one in events) == (setting.failures > 0)


def _was_sent(stories: dict[int, list[Happened]], one: Happened) -> bool:
    return any(other.event == "sent" for other in stories[one.request.id])


def test_the_caps_are_what_bounds_it_control_a_roomier_minute() -> None:
    starts = [one.at for one in told(Setting(rpd=RPD, rpm=60)) if one.event == "sent"]
    assert max(Counter(int(at // 60) for at in starts).values()) > 3


def test_the_same_seed_is_the_same_run_and_another_is_not() -> None:
    one, again, other = (told(Setting(rpd=RPD, failures=0.2, seed=seed), days=1) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_the_level_is_fairer_than_first_come() -> None:
    fair, first_come = (figures(policy, ran("heavytail", policy), rpd=RPD) for policy in ("fair", "fcfs"))
    assert fair.max_min_ratio > 0.9
    assert fair.max_min_ratio > first_come.max_min_ratio + 0.15
    assert first_come.utilisation == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("hold", [True, False])
def test_the_scheduler_gives_what_the_replay_of_its_rule_gives(hold: bool) -> None:
    months = Months(by_day(traffic("heavytail")))
    days = [months.replay(day, ReplaySetting(rpd=RPD, hold=hold)) for day in months.days()]
    replayed = sum(day.ratio(RPD) for day in days) / len(days)
    assert figures("fair", ran("heavytail", "fair", hold=hold), rpd=RPD).max_min_ratio == pytest.approx(
        replayed, abs=0.02
    )


def test_a_run_through_its_warm_up_gives_what_a_start_with_that_history_gives() -> None:
    """The scheduler's own midnights make the same history as the ledger it reads at a start."""
    requests = of_days(make("latewave", rpd=RPD, days=10))
    history, rest = ([one for one in requests if (one.day == requests[-1].day) == last] for last in (False, True))
    through = simulate(Setting(rpd=RPD), requests)
    started = simulate(Setting(rpd=RPD), rest, history=history)
    assert [fate for fate in through if fate.request.day >= rest[0].day] == started
    assert simulate(Setting(rpd=RPD), rest) != started, "control: without a history"


def test_nobody_is_fairer_than_the_clairvoyant() -> None:
    fates = ran("heavytail", "fcfs")
    for between in (False, True):
        best = of_the_clairvoyant(fates, rpd=RPD, between_communities=between).figures
        assert best.max_min_ratio == 1
        assert best.sent == figures("fcfs", fates, rpd=RPD).sent


# --- the command -----------------------------------------------------------------------------------------


def potluck(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)], env=env)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "trace.csv"
    rows = [f"{20_500 * DAY + 600 * number},c{number % 2},u{number % 7}" for number in range(300)]
    file.write_text("\n".join(["ts,community,user", *rows]))
    return file


def test_figures_and_events_of_a_file(tmp_path: Path, trace: Path) -> None:
    result = potluck(trace, "--rpd", 30, "--policy", "all", "--events", tmp_path / "out.jsonl", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["policies"]) == ["fair", "fcfs", "fixed", "pacing", "clairvoyant"]
    assert (found["requests"], found["from"], found["rpd"]) == (300, "2026-02-16", 30)
    events = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {"t", "event", "user", "id"} == set(events[0])
    assert sum(one["event"] == "asked" for one in events) == 300
    assert sum(one["event"] == "sent" for one in events) == found["policies"]["fair"]["sent"]
    table = potluck(trace, "--rpd", 30)
    assert table.exit_code == 0
    assert "clairvoyant" in table.stdout


EVENTS = {"asked", "queued", "held", "sent", "retried", "answered", "failed", "refused", "expired"}


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--no-hold", "--policy", "fcfs", "--patience", 5, "--rpm", 1],
        ["--failures", 0.4, "--promise", 1, "--seed", 3],
        ["--between", "communities", "--service-seconds", 30],
    ],
)
def test_events_are_a_line_each_as_promised(tmp_path: Path, options: list[object]) -> None:
    rows = [("6", "a b", 1.5), ("ü,“", "ann", 0.0), ("6", "ann", 86_390.0), ("6", "a b", 40.0), ("6", "0", 86_399.9995)]
    rows += [("6", f"u{number % 5}", 86_000.0 + 3 * number) for number in range(60)]
    file = tmp_path / "trace.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerows([("ts", "community", "user"), *((20_500 * DAY + at, name, who) for name, who, at in rows)])
    result = potluck(file, "--rpd", 20, "--events", tmp_path / "out.jsonl", *options)
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [one["t"] for one in events] == sorted(one["t"] for one in events)
    assert {one["event"] for one in events} <= EVENTS
    asked = {one["id"]: one for one in events if one["event"] == "asked"}
    assert {number: one["user"] for number, one in asked.items()} == {at: who for at, (_, who, _) in enumerate(rows)}
    sent = [one["id"] for one in events if one["event"] == "sent"]
    assert len(sent) == len(set(sent)) <= 20
    for one in events:
        at = rows[one["id"]][2]
        assert set(one) == {"t", "event", "user", "id"}
        assert one["user"] == rows[one["id"]][1]
        if one["event"] == "asked":
            assert one["t"] == pytest.approx(20_500 * DAY + at, abs=1e-5)
        if one["event"] != "answered" and one["event"] != "failed":
            assert day_of(one["t"]) == 20_500 or one["event"] == "expired"
        if one["event"] == "expired":
            assert one["t"] == 20_501 * DAY
    assert Counter(one["event"] in ENDINGS for one in events)[True] == len(rows)


def test_defaults_are_the_promised_ones(trace: Path) -> None:
    found = json.loads(potluck(trace, "--json").stdout)
    told = ("rpd", "rpm", "hold", "promise_units", "seed", "failures", "patience", "service_seconds")
    assert [found[name] for name in told] == [50, 20, True, 0, 0, 0.0, 120.0, 7.4]
    assert found["between_communities"] is False
    assert list(found["policies"]) == ["fair", "clairvoyant"]


def test_promises_are_counted_and_kept(trace: Path) -> None:
    found = json.loads(potluck(trace, "--rpd", 120, "--promise", 1, "--failures", 0.1, "--json").stdout)["policies"]
    assert found["fair"]["promised"] == found["fair"]["promises_kept"] > 20
    assert found["clairvoyant"]["promised"] == 0
    assert "promises kept" in potluck(trace, "--promise", 1).stdout


PNG = b"\x89PNG\r\n\x1a\n"


def size(png: bytes) -> tuple[int, int]:
    """Width and height, out of the file's first chunk."""
    assert png.startswith(PNG)
    assert png.endswith(b"IEND\xaeB`\x82"), "whole"
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def test_a_picture_of_the_days_has_a_row_for_each_policy(tmp_path: Path, trace: Path) -> None:
    sizes = {}
    for policy in ("fair", "all"):
        file = tmp_path / f"{policy}.png"
        result = potluck(trace, "--rpd", 30, "--policy", policy, "--plot", file)
        assert result.exit_code == 0, result.output
        sizes[policy] = size(file.read_bytes())
        *_, said = result.stdout.splitlines()
        assert said.startswith(f"{file}: {trace}: 300 requests on 3 days")
        assert "fair: the max-min ratio is" in said
        assert ("pacing: the max-min ratio is" in said) == (policy == "all")
        assert said.removeprefix(f"{file}: ").encode() in file.read_bytes(), "the picture brings its text along"
    assert sizes["fair"][0] == sizes["all"][0] == 1500
    assert sizes["fair"][1] < sizes["all"][1] < 1500


def test_one_day_is_drawn_from_within_and_looking_changes_nothing(tmp_path: Path, trace: Path) -> None:
    day = ["--rpd", 30, "--from", "2026-02-17", "--to", "2026-02-17", "--json"]
    plain = potluck(trace, *day, "--events", tmp_path / "plain.jsonl")
    drawn = potluck(trace, *day, "--events", tmp_path / "drawn.jsonl", "--plot", tmp_path / "day.png")
    assert drawn.stdout == plain.stdout, "JSON alone"
    assert (tmp_path / "drawn.jsonl").read_text() == (tmp_path / "plain.jsonl").read_text()
    assert "the level over the day" in drawn.stderr
    assert size((tmp_path / "day.png").read_bytes())[0] == 1500


def test_names_that_no_font_has_and_that_look_like_formulas_are_drawn(tmp_path: Path) -> None:
    file = tmp_path / "$x^.csv"
    names = ["$\\frac{$", "名前", "🙂", "a" * 200, "_$_{", "\x07bell"]
    with file.open("w", newline="", encoding="utf-8") as out:
        asked = [(20_500 * DAY + 900 * number, "c", names[number % len(names)]) for number in range(60)]
        csv.writer(out).writerows([("ts", "community", "user"), *asked])
    result = potluck(file, "--rpd", 10, "--plot", tmp_path / "day.png")
    assert result.exit_code == 0, result.output
    assert size((tmp_path / "day.png").read_bytes())[0] == 1500


@pytest.mark.parametrize("name", ["day.jpg", "no such directory/day.png"])
def test_a_picture_that_could_not_be_written_is_said_before_the_run(tmp_path: Path, trace: Path, name: str) -> None:
    result = potluck(trace, "--plot", tmp_path / name)
    assert result.exit_code == 2
    assert "--plot" in result.stderr


def test_the_last_looks_at_held_questions_come_close_before_the_last_starts() -> None:
    rests = [DAY]
    while rests[-1] > 0:
        rests.append(rests[-1] - until_next_look(rests[-1]))
    looked = [rest for rest in rests if rest > 3]
    assert looked[-1] < 20
    assert all(now - later <= LOOK_EVERY for now, later in pairwise(rests))
    assert len(looked) < DAY / LOOK_EVERY + 15


def test_days_before_from_are_history_only(tmp_path: Path, trace: Path) -> None:
    result = potluck(trace, "--from", "2026-02-17", "--to", "2026-02-17", "--events", tmp_path / "out.jsonl", "--json")
    assert json.loads(result.stdout)["requests"] == 144
    ids = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (min(ids), max(ids)) == (144, 287)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Name one kind of traffic"),
        (["--made", "poisson", "--own"], "Name one kind of traffic"),
        (["--made", "nonsense"], "There are: poisson"),
        (["no such file.csv"], "does not exist"),
        (["--made", "poisson", "--rpd", "0"], "--rpd"),
        (["--made", "poisson", "--from", "tomorrow"], "--from"),
        (["--made", "poisson", "--from", "2050-01-01"], "no requests on these days"),
        (["--made", "poisson", "--failures", "nan"], "not a number"),
        (["--made", "poisson", "--service-seconds", "1e9"], "not in the range"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str], says: str) -> None:
    result = potluck(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_bad_row_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("ts,community,user\n1,c,ann\nsoon,c,ann\n")
    result = potluck(file)
    assert result.exit_code == 2
    assert result.stderr == f"{file}, row 1: ts 'soon' is no time in seconds since 1970.\n"


def test_without_a_past_of_its_own_it_says_so(tmp_path: Path) -> None:
    result = potluck("--own", env={"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/none.db"})
    assert result.exit_code == 1
    assert result.stderr.startswith("There is no past yet")


@pytest.mark.parametrize(("key", "pool", "other"), [("", "sandbox", "default"), ("sk-or-v1-0", "default", "sandbox")])
def test_its_own_past_is_that_of_its_pool_and_stays_as_it_was(tmp_path: Path, key: str, pool: str, other: str) -> None:
    file = tmp_path / "potluck.db"
    migrate(file)
    asyncio.run(_ask_on_two_days(file, PoolId(pool), questions=4))
    asyncio.run(_ask_on_two_days(file, PoolId(other), questions=3))
    before = file.read_bytes()
    env = {"DATABASE_URL": f"sqlite+aiosqlite:///{file}", "OPENROUTER_API_KEY": key}
    result = potluck("--own", "--json", env=env)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["traffic"], found["requests"], found["from"], found["to"]) == ("own", 4, "2026-02-16", "2026-02-17")
    assert file.read_bytes() == before


async def _ask_on_two_days(file: Path, pool: PoolId, *, questions: int) -> None:
    database = Database(file, SystemClock())
    await database.open()
    ledger = SqlLedger(database, SystemClock())
    await ledger.add_pool(pool)
    ann, web = Member("web", "ann"), CommunityId("web")
    moments = [Instant(20_500 * DAY + DAY / 2 * number) for number in range(questions)]
    await ledger.note(pool, [DayEvent(kind=EventKind.ASKED, at=at, member=ann, community=web) for at in moments])
    await database.close()
