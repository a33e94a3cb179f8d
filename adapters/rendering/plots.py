"""Pictures of simulated days, as PNG files with a text that says what they show.

Drawn with matplotlib's objects and no state of its module: safe in any thread, and on a machine without a screen.
A picture has a background of its own, so it reads the same on a light page and on a dark one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from bot.clock import DAY, Instant, day_start
from bot.quota.figures import Course
from bot.quota.simulated import Fate, Looked
from bot.quota.trial import Inside

_PAPER, _CARD, _INK, _SOFT, _LINE = "#f6f1e8", "#fffdf9", "#262019", "#6a6053", "#e3d9c8"
_ACCENT, _OTHER, _FADED = "#a83c1c", "#4f6470", "#cfc4b3"
_WAITS = "#a0927f"
_DPI = 150
_WIDTH = 10.0
"""Inches."""
_HOUR = 3600.0
_BIN = 3
"""Hours."""
_FEW = 5
"""First questions in a bin, below which its mean says little."""
_MOST_MEMBERS = 14
_LONGEST_NAME = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG file and what it shows, for who does not see it."""

    png: bytes
    alt: str


def picture_of_days(about: str, courses: Sequence[Course]) -> Picture:
    """A row for each policy: each day's max-min ratio, and how satisfied members are by when they first asked.

    `about` is the line above it. The clairvoyant's course is what the others are measured against, and not drawn.
    """
    drawn = [one for one in courses if one.figures.policy != "clairvoyant"]
    figure = Figure(figsize=(_WIDTH, 1.75 + 1.6 * len(drawn)), dpi=_DPI, facecolor=_PAPER)
    high = figure.get_figheight()
    grid = figure.add_gridspec(
        len(drawn),
        2,
        width_ratios=(3, 2),
        left=0.05,
        right=0.965,
        top=1 - 1.32 / high,
        bottom=0.45 / high,
        hspace=0.3,
        wspace=0.09,
    )
    _heading(figure, "How close each day came to the fairest division", about)
    for row, one in enumerate(drawn):
        colour = _ACCENT if row == 0 else _OTHER
        days, hours = (figure.add_subplot(grid[row, column]) for column in (0, 1))
        _ratios(days, one, colour)
        _by_first_question(hours, one, colour)
        if row == 0:
            _above(days, "Max-min ratio of each day: 1 is what a clairvoyant would have given", line=1)
            _above(hours, "Satisfaction by hour of first question (UTC)", line=1)
        if row < len(drawn) - 1:
            days.tick_params(labelbottom=False)
            hours.tick_params(labelbottom=False)
    alt = [f"{about}. A row of two charts for each policy."]
    alt += [_in_words(one) for one in drawn]
    return _finished(figure, " ".join(alt))


def picture_of_a_day(about: str, day: int, inside: Inside, rpd: int) -> Picture:
    """One day from within: the level, the pool, and what became of some members' questions."""
    fates, looks = inside.fates, inside.looks
    members = _some_members(fates)
    lanes = 0.26 * len(members) + 0.25
    figure = Figure(figsize=(_WIDTH, 4.1 + lanes), dpi=_DPI, facecolor=_PAPER)
    high = figure.get_figheight()
    grid = figure.add_gridspec(
        3,
        1,
        height_ratios=(1.5, 0.6, lanes),
        left=0.115,
        right=0.9,
        top=1 - 1.12 / high,
        bottom=0.75 / high,
        hspace=0.3,
    )
    level, pool, lines = (figure.add_subplot(grid[row, 0]) for row in range(3))
    _heading(figure, "A day from within", about)
    begins = day_start(day)
    _level_over(level, begins, [one for one in looks if one.used < rpd], fates)
    _pool_over(pool, begins, fates, rpd)
    _lanes(lines, begins, fates, members)
    for axes in (level, pool, lines):
        axes.set_xlim(0, 24)
        axes.xaxis.set_major_locator(FixedLocator(range(0, 25, 3)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda hour, _: f"{hour:02.0f}:00"))
    level.tick_params(labelbottom=False)
    pool.tick_params(labelbottom=False)
    return _finished(figure, _day_in_words(about, begins, fates, looks, members))


# --- days ----------------------------------------------------------------------------------------------------


def _ratios(axes: Axes, one: Course, colour: str) -> None:
    dates = [day for day, _ in one.ratios]
    values = [ratio for _, ratio in one.ratios]
    few = len(values) <= 70
    axes.plot(dates, values, color=colour, lw=1.3, marker="o" if few else "", ms=3, zorder=3)
    axes.axhline(one.figures.worst_tenth, color=colour, lw=0.9, ls=(0, (4, 3)), alpha=0.7, zorder=2)
    _frame(axes)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=(1, 2, 5, 10), integer=True, min_n_ticks=2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda day, _: _date(day)))
    axes.margins(x=0.02)
    _above(axes, one.figures.policy, colour=colour, bold=True)
    _above(
        axes, f"mean {one.figures.max_min_ratio:.3f}, worst tenth {one.figures.worst_tenth:.3f} (dashed)", right=True
    )


def _by_first_question(axes: Axes, one: Course, colour: str) -> None:
    bins: list[list[float]] = [[] for _ in range(24 // _BIN)]
    for second, satisfied in one.satisfied:
        bins[min(int(second / _HOUR / _BIN), len(bins) - 1)].append(satisfied)
    for number, values in enumerate(bins):
        if not values:
            continue
        mean = sum(values) / len(values)
        axes.bar(
            (number + 0.5) * _BIN, mean, width=_BIN * 0.8, color=colour if len(values) >= _FEW else _FADED, zorder=3
        )
        inside = mean > 0.25
        axes.text(
            (number + 0.5) * _BIN, mean - 0.04 if inside else mean + 0.03, f"{mean:.2f}",
            ha="center", va="top" if inside else "bottom", fontsize=7.5, zorder=4,
            color=_CARD if inside and len(values) >= _FEW else _INK,
        )  # fmt: skip
    _frame(axes)
    axes.set_xlim(0, 24)
    axes.xaxis.set_major_locator(FixedLocator(range(0, 25, 6)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda hour, _: f"{hour:02.0f}:00"))
    axes.tick_params(labelleft=False)


def _frame(axes: Axes) -> None:
    _plain(axes)
    axes.set_ylim(0, 1.06)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    axes.grid(axis="y", color=_LINE, lw=0.8)


def _in_words(one: Course) -> str:
    figures = one.figures
    early, late = (f"{value:.2f}" if value is not None else "unknown" for value in (figures.early, figures.late))
    return (
        f"{figures.policy}: the max-min ratio is {figures.max_min_ratio:.3f} on average over {figures.days} days, and"
        f" below {figures.worst_tenth:.3f} on a tenth of them; satisfaction is {early} for members who first ask before"
        f" 08:00 and {late} for those from 16:00 on."
    )


# --- a day ---------------------------------------------------------------------------------------------------


def _level_over(axes: Axes, begins: Instant, looks: Sequence[Looked], fates: Sequence[Fate]) -> None:
    _plain(axes)
    most = max(_given(fates).values(), default=1)
    top = max(most + 1.5, float(np.quantile([one.first for one in looks], 0.6)) * 1.4 if looks else 0.0)
    hours = [(one.at - begins) / _HOUR for one in looks]
    first = [min(one.first, 2 * top) for one in looks]
    more = [min(one.more, 2 * top) if one.more is not None else np.nan for one in looks]
    axes.step(hours, first, where="post", color=_OTHER, lw=1.4, zorder=3)
    axes.step(hours, more, where="post", color=_ACCENT, lw=1.8, zorder=4)
    axes.set_ylim(0, top)
    axes.grid(axis="y", color=_LINE, lw=0.8)
    _above(axes, "The level: units each member may have had by then")
    _above(axes, "— for a first unit", right=True, line=1, colour=_OTHER)
    _above(axes, "— for further units", right=True, colour=_ACCENT)


def _pool_over(axes: Axes, begins: Instant, fates: Sequence[Fate], rpd: int) -> None:
    _plain(axes)
    sent = sorted((fate.sent_at - begins) / _HOUR for fate in fates if fate.sent_at is not None)
    left = rpd - np.arange(len(sent) + 1)
    axes.fill_between([0, *sent, 24], [*left, left[-1]], step="post", color=_FADED, lw=0, zorder=2)
    axes.set_ylim(0, rpd * 1.04)
    axes.yaxis.set_major_locator(FixedLocator([0, rpd]))
    _above(axes, "Units of the pool that are left")


def _lanes(axes: Axes, begins: Instant, fates: Sequence[Fate], members: Sequence[str]) -> None:
    _plain(axes)
    rows = {member: row for row, member in enumerate(members)}
    asked, given = _asked(fates), _given(fates)
    for fate in fates:
        row = rows.get(fate.request.user)
        if row is None:
            continue
        at = (fate.request.at - begins) / _HOUR
        if fate.sent_at is not None and not fate.held:
            axes.plot(at, row, "o", ms=5, color=_ACCENT, mec=_CARD, mew=0.5, zorder=4)
        elif fate.sent_at is not None:
            sent = (fate.sent_at - begins) / _HOUR
            axes.plot([at, sent], [row, row], color=_ACCENT, lw=1.1, zorder=2)
            axes.plot(at, row, "o", ms=5, mfc=_CARD, mec=_ACCENT, mew=1.2, zorder=3)
            axes.plot(sent, row, "o", ms=5, color=_ACCENT, mec=_CARD, mew=0.5, zorder=4)
        elif fate.held:
            axes.plot([at, 24], [row, row], color=_WAITS, lw=1.1, zorder=2)
            axes.plot(at, row, "o", ms=5, mfc=_CARD, mec=_SOFT, mew=1.2, zorder=3)
        else:
            axes.plot(at, row, "x", ms=4.5, color=_SOFT, mew=1.2, zorder=3)
    axes.set_ylim(len(members) - 0.4, -0.6)
    axes.set_yticks(range(len(members)), [_short(member) for member in members], parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    axes.grid(axis="y", color=_LINE, lw=0.5)
    for member, row in rows.items():
        said = f"{given[member]} of {asked[member]:,}"
        axes.text(24.25, row, said, va="center", fontsize=8.5, color=_INK, clip_on=False)
    _above(axes, f"Questions of {len(members)} of {len(asked)} members; right: answered of asked")
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Below the axis, by the marks themselves."""
    marks = (
        ("answered at once", {"marker": "o", "color": _ACCENT, "ls": ""}),
        ("held, then answered", {"marker": "o", "color": _ACCENT, "mfc": _CARD, "ls": "-", "lw": 1.1}),
        ("held to the day’s end", {"marker": "o", "color": _WAITS, "mfc": _CARD, "mec": _SOFT, "ls": "-", "lw": 1.1}),
        ("refused", {"marker": "x", "color": _SOFT, "ls": ""}),
    )
    handles = [axes.plot([], [], ms=5, label=name, **style)[0] for name, style in marks]
    box = axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4, frameon=False, fontsize=8.5,
        borderaxespad=2.1, handlelength=2.0, labelcolor=_INK,
    )  # fmt: skip
    box.set_in_layout(False)


def _asked(fates: Sequence[Fate]) -> Mapping[str, int]:
    asked: dict[str, int] = {}
    for fate in fates:
        asked[fate.request.user] = asked.get(fate.request.user, 0) + 1
    return asked


def _given(fates: Sequence[Fate]) -> Mapping[str, int]:
    given = dict.fromkeys(_asked(fates), 0)
    for fate in fates:
        given[fate.request.user] += fate.given
    return given


def _some_members(fates: Sequence[Fate]) -> list[str]:
    """Those who asked most and others from all hours of the day, in order of their first question."""
    asked = _asked(fates)
    order = list(asked)
    if len(order) <= _MOST_MEMBERS:
        return order
    busiest = sorted(order, key=lambda member: -asked[member])[: _MOST_MEMBERS // 2]
    rest = [member for member in order if member not in busiest]
    spread = np.linspace(0, len(rest) - 1, _MOST_MEMBERS - len(busiest)).round().astype(int)
    chosen = {*busiest, *(rest[at] for at in spread)}
    return [member for member in order if member in chosen]


def _day_in_words(
    about: str, begins: Instant, fates: Sequence[Fate], looks: Sequence[Looked], members: Sequence[str]
) -> str:
    at_once = sum(fate.sent_at is not None and not fate.held for fate in fates)
    later = sum(fate.sent_at is not None and fate.held for fate in fates)
    noon = next((one for one in looks if one.at >= begins + DAY / 2), None)
    level = f" At noon a first unit may go up to a level of {noon.first:.1f}" if noon else ""
    if noon and noon.more is not None:
        level += f", the next ones up to {noon.more:.1f}"
    return (
        f"{about}. From top to bottom: the level over the day, the units left, and the questions of"
        f" {len(members)} members. Of {len(fates):,} questions {at_once:,} were answered at once, {later:,} after they"
        f" had been held, and {len(fates) - at_once - later:,} not on this day.{level}{'.' if level else ''}"
    )


# --- all -----------------------------------------------------------------------------------------------------


def _heading(figure: Figure, title: str, about: str) -> None:
    high = figure.get_figheight()
    figure.text(0.02, 1 - 0.2 / high, title, fontsize=15, fontweight="bold", color=_INK, va="top")
    figure.text(0.02, 1 - 0.52 / high, about, fontsize=9.5, color=_SOFT, va="top", parse_math=False)


def _above(
    axes: Axes, text: str, *, line: int = 0, right: bool = False, colour: str = _INK, bold: bool = False
) -> None:
    """A line of text over the chart, as far from it whatever its height."""
    axes.annotate(
        text,
        (1.0 if right else 0.0, 1.0),
        xycoords="axes fraction",
        xytext=(0, 4 + 16 * line),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom",
        fontsize=10 if bold else 9,
        fontweight="bold" if bold else "normal",
        color=colour,
        annotation_clip=False,
    )


def _plain(axes: Axes) -> None:
    axes.set_facecolor(_CARD)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_LINE)
    axes.tick_params(colors=_SOFT, labelsize=8.5, length=3, color=_LINE)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _date(day: float) -> str:
    found = date(1970, 1, 1) + timedelta(days=round(day))
    return f"{found.day} {found:%b}"


def _finished(figure: Figure, alt: str) -> Picture:
    file = BytesIO()
    with warnings.catch_warnings():
        # A name may have letters that the font has not: they are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure.savefig(file, format="png", metadata={"Software": None, "Description": alt})
    return Picture(png=file.getvalue(), alt=alt)
