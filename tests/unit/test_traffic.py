"""Traces are read as they are written, or not at all: the first bad row is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bot.clock import Instant
from bot.quota.history import Ask
from bot.quota.traffic import Request, TraceError, by_day, of_days, read_trace

HEADER = "ts,community,user\n"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "trace.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_rows_keep_their_number_and_come_in_order_of_time(tmp_path: Path) -> None:
    file = written(tmp_path, HEADER + "200.5,c1,ann\n100,c1,ben\n\n200.5,c2,cem\n")
    assert read_trace(file) == [
        Request(1, Instant(100), "c1", "ben"),
        Request(0, Instant(200.5), "c1", "ann"),
        Request(2, Instant(200.5), "c2", "cem"),
    ]


def test_zipped_or_in_other_columns_it_is_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path, HEADER + '100,"c,1",ann\r\n')
    other = tmp_path / "other.csv.gz"
    other.write_bytes(gzip.compress(b'\xef\xbb\xbfuser,note,ts,community\nann,,1e2,"c,1"\n'))
    assert read_trace(plain) == read_trace(other) == [Request(0, Instant(100), "c,1", "ann")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "no column ts, community, user"),
        ("ts,user\n1,ann\n", "no column community"),
        (HEADER, "has no rows"),
        (HEADER + "1,c,ann\nsoon,c,ann\n", "row 1: ts 'soon'"),
        (HEADER + "nan,c,ann\n", "row 0: ts 'nan'"),
        (HEADER + "-1,c,ann\n", "row 0: ts '-1'"),
        (HEADER + "1546302561000,c,ann\n", "row 0: ts '1546302561000'"),
        (HEADER + "1,c\n", "row 0: 2 columns"),
        (HEADER + "1,c,\n", "row 0: user is empty"),
        (HEADER + '1,c,"ann\n', "no whole CSV file"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(TraceError) as caught:
        read_trace(written(tmp_path, text))
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(HEADER.encode() * 9)[:-9], gzip.compress(b"\xff\xfe")],
    ids=["no gzip", "cut off", "no text"],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "trace.csv.gz"
    file.write_bytes(content)
    with pytest.raises(TraceError, match="trace"):
        read_trace(file)


def test_days_of_questions_and_back() -> None:
    days = {3: [Ask(5.0, "c", "ann"), Ask(6.0, "c", "ben")], 1: [Ask(0.0, "c", "ann")]}
    requests = of_days(days)
    assert [(request.id, request.day) for request in requests] == [(0, 1), (1, 3), (2, 3)]
    assert by_day(requests) == days
