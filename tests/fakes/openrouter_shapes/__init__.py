"""Every shape in which OpenRouter has been seen, or is documented, to refuse, fail and answer, and what each means.

One table for two readers: the client's contract test and the scenarios of the whole service run the same rows.
The shapes are those of captures and documents from 2025 and 2026; ids, models and words are our own wherever
they do not matter. A row's remark says how sure its shape is: `seen`, `documented`, or `guarded` for one that
nobody has seen and that must do no harm.
"""

from __future__ import annotations

from tests.fakes.openrouter_shapes.in_200 import IN_200
from tests.fakes.openrouter_shapes.rate_limits import RATE_LIMITS
from tests.fakes.openrouter_shapes.refusals import REFUSALS
from tests.fakes.openrouter_shapes.shape import Reset, Shape
from tests.fakes.openrouter_shapes.streams import STREAMS
from tests.fakes.openrouter_shapes.vocabulary import VOCABULARY

SHAPES: tuple[Shape, ...] = (*RATE_LIMITS, *REFUSALS, *VOCABULARY, *IN_200, *STREAMS)

__all__ = ["SHAPES", "Reset", "Shape"]
