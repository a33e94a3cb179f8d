"""What a sandbox can be told: the account it plays, its pace, its faults."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from bot.openrouter.sandbox.script import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """Defaults are an OpenRouter account that never bought credits, answering as fast as people read."""

    rpm: int = 20
    """Requests to free models per clock minute, each account."""
    rpd: int = 50
    """Requests to free models per UTC day, each account."""
    credits: Decimal = Decimal(0)
    """USD bought, all time. Paid models need some left; the tier's wording changes from 10 on."""
    spent: Decimal = Decimal(0)
    """USD used before the sandbox began. More than `credits`: a negative balance, which stops free models too."""
    seed: int = 0
    first_token_seconds: float = 0.6
    seconds_per_chunk: float = 0.04
    """A chunk is a word. 0: all at once."""
    log_file: Path | None = None
    """JSON lines, one at a request's arrival and one at its end; a new sandbox goes on counting from them."""
    faults: Faults | None = None
    key_stale_seconds: float = 0.0
    """How old the daily count that `/key` reports may be. OpenRouter's is up to 60."""
    generation_delay_seconds: float = 60.0
    """How long after its end a generation stays unknown to `/generation`. OpenRouter's: one to eight minutes."""
    shapes: Literal[2025, 2026] = 2026
    """The year whose limit bodies and usage chunks it writes; the older lack the `limit_source`."""
