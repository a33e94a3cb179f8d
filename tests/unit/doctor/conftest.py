"""A folder of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.doctor.patient import Patient


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)
