"""The benchmarks run to their end, at sizes at which their figures say nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.processes.findings import Findings
from benchmarks.processes.play import Play
from benchmarks.processes.shown import Row, remarks, table
from tests.acceptance.processes import running
from tests.fakes.databases import PostgresServer

ROOT = Path(__file__).parents[2]


async def test_the_scale_is_measured_in_all_its_parts(postgres: PostgresServer) -> None:
    sizes = (
        "--rounds",
        "1",
        "--leases",
        "10",
        "--known",
        "100",
        "--pools",
        "8",
        "--processes",
        "2",
        "--seconds",
        "0.2",
    )
    program = (sys.executable, "-m", "benchmarks.scale")
    env = {"TEST_POSTGRES_URL": postgres.address("postgres"), "OPENBLAS_NUM_THREADS": "1"}
    async with running(*sizes, "--json", folder=ROOT, env=env, program=program) as measuring:
        ended = await measuring.ended(within=60)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert [(one["shape"]["kind"], one["one"] > 0) for one in found["shapes"]] == [("sqlite", True), ("postgres", True)]
    assert [(one["processes"], one["leases"] > 0) for one in found["processes"]] == [(2, True)]
    assert len(found["layers"]) == 10


FOUND = Findings(
    asked=1750,
    answered=991,
    used=991,
    cut=0,
    worst_minute=600,
    refused=0,
    fairness=0.966,
    evenness=0.971,
    faults=[],
    late=0.1,
    endings={},
)


def test_what_is_not_as_it_should_be_is_said_below_the_table() -> None:
    row = Row(play=Play(processes=4, rpm=600), found=FOUND, less_fair=0.01)
    assert list(remarks(row)) == []
    assert table([row]).row_count == 1
    for wrong, word in (
        (replace(row, less_fair=0.02), "less fair"),
        (replace(row, found=replace(FOUND, worst_minute=601)), "cap"),
        (replace(row, found=replace(FOUND, refused=1)), "cap"),
        (replace(row, found=replace(FOUND, used=1001)), "cap"),
        (replace(row, found=replace(FOUND, faults=["lease 1 is open"])), "lease 1 is open"),
        (replace(row, found=replace(FOUND, late=2.0)), "late"),
    ):
        assert [word in said for said in remarks(wrong)] == [True]
