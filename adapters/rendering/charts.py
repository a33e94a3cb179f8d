"""The pictures of commands: the day so far, and who used what. Drawn in a worker thread, as PNG.

Each has a card of its own as background, so that it reads the same on a light page and on a dark one; the alternative
text comes with the data and says the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from adapters.rendering.plots import Picture
from adapters.rendering.saying import Speech
from bot.clock import Instant
from bot.commands.answer import DayPicture, UsePicture
from bot.commands.saying import say

_CARD, _INK, _SOFT, _LINE = "#fffdf9", "#262019", "#6a6053", "#e3d9c8"
_POOL, _MINE, _GONE = "#4f6470", "#a83c1c", "#cfc4b3"
_DPI = 232
_WIDTH = 4.4
"""Inches. Chats show pictures narrow: their words must be large for that."""
_HOUR = 3600.0
_MOST_ROWS = 15
_NAME_HEIGHT = 11
"""Points."""
_CLOSE = 0.1
"""Of the cap: below this two names would run into each other."""
_LONGEST_NAME = 24


async def draw(data: DayPicture | UsePicture, speech: Speech) -> Picture:
    """The picture in the reader's language."""
    if isinstance(data, DayPicture):
        return await asyncio.to_thread(_day, data, speech)
    return await asyncio.to_thread(_use, data, speech)


def _day(data: DayPicture, speech: Speech) -> Picture:
    figure = Figure(figsize=(_WIDTH, 2.6), dpi=_DPI, facecolor=_CARD, layout="constrained")
    axes: Axes = figure.subplots()
    _frame(axes)
    hours = (data.resets_at - data.begins) / _HOUR
    now = (data.now - data.begins) / _HOUR
    axes.axvspan(now, hours, color=_GONE, alpha=0.18, linewidth=0)
    axes.axhline(data.cap, color=_SOFT, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(
        0, data.cap, " " + speech.say(say("the whole pool: {cap}", cap=data.cap)), color=_SOFT, fontsize=8, va="bottom"
    )
    if data.level < data.cap * (1 - _CLOSE):
        share = speech.say(say("your share by now: {units}", units=math.floor(data.level)))
        axes.axhline(data.level, color=_MINE, linewidth=1, linestyle=(0, (1, 2)))
        axes.text(hours, data.level, f"{share} ", color=_MINE, fontsize=8, va="bottom", ha="right")
    apart = _newest(data.pool) - _newest(data.mine)
    # Where both end at about the same height, the upper name stands above the lower one.
    lift = _NAME_HEIGHT if data.mine and apart < _CLOSE * data.cap else 0
    for course, colour, label, above in (
        (data.pool, _POOL, speech.say(say("everyone")), lift),
        (data.mine, _MINE, speech.say(say("you")), 0),
    ):
        if course is data.mine and not data.mine:
            continue
        times, units = _steps(course, data.begins, data.now)
        axes.step(times, units, where="post", color=colour, linewidth=2, solid_capstyle="round")
        axes.fill_between(times, units, step="post", color=colour, alpha=0.12, linewidth=0)
        axes.annotate(
            f"{label} {speech.number(units[-1])}",
            (now, units[-1]),
            xytext=(5, above),
            textcoords="offset points",
            color=colour,
            fontsize=9,
            fontweight="bold",
            va="bottom",
            ha="left" if now < hours * 0.8 else "right",
        )
    axes.set_xlim(0, hours)
    axes.set_ylim(0, data.cap * 1.16 or 1)
    axes.set_xticks([hours * part / 6 for part in range(7)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda hour, _: f"{round(hour) % 24:02d}:00"))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda units, _: speech.number(units)))
    axes.set_xlabel("UTC", color=_SOFT, fontsize=8, loc="right")
    return Picture(png=_png(figure), alt=speech.say(data.alt))


def _use(data: UsePicture, speech: Speech) -> Picture:
    rows = data.rows[:_MOST_ROWS]
    figure = Figure(figsize=(_WIDTH, 0.9 + 0.32 * max(1, len(rows))), dpi=_DPI, facecolor=_CARD, layout="constrained")
    axes: Axes = figure.subplots()
    _frame(axes)
    names = [_short(speech.value(name)) for name, _ in rows]
    units = [count for _, count in rows]
    places = range(len(rows))
    axes.barh(places, units, color=_MINE, height=0.62)
    for place, count in zip(places, units, strict=True):
        axes.annotate(
            speech.number(count),
            (count, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=_INK,
        )
    axes.set_yticks(list(places), names, fontsize=9, color=_INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, max(units, default=1) * 1.12)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda units, _: speech.number(units)))
    axes.grid(visible=False, axis="y")
    axes.set_title(speech.say(data.about), loc="left", fontsize=10, color=_INK)
    return Picture(png=_png(figure), alt=speech.say(data.alt))


def _newest(course: Sequence[tuple[Instant, int]]) -> int:
    return course[-1][1] if course else 0


def _steps(course: Sequence[tuple[Instant, int]], begins: Instant, now: Instant) -> tuple[list[float], list[int]]:
    """The course in hours, from the day's beginning to now."""
    times, units = [0.0], [0]
    for moment, count in course:
        times.append((moment - begins) / _HOUR)
        units.append(count)
    return [*times, (now - begins) / _HOUR], [*units, units[-1]]


def _frame(axes: Axes) -> None:
    axes.set_facecolor(_CARD)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.tick_params(colors=_SOFT, labelsize=8, length=0)
    axes.grid(visible=True, color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)


def _short(name: str) -> str:
    # A dollar would begin a formula.
    name = name.replace("$", r"\$")
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
