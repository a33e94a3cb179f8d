"""Which models judge instead of answering: safety classifiers and decision models. Pure.

No field of the catalogue tells them from chat models: they take text and give text, such as `unsafe`. What is left
is what their makers call them. Being taken for one costs a model its place among those on offer, and nothing else;
the other way round a member's unit buys a verdict on the question. So whole words decide, of the model's name and
not of its maker's, and of the description only what it says the model is: many a chat model's mentions safety.
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"[a-z]+")
_NAMES = frozenset(
    {
        *("guard", "guards", "guardian", "guardrail", "guardrails", "safeguard", "shield"),
        *("llamaguard", "wildguard", "polyguard", "promptguard", "shieldgemma"),
        *("safety", "moderation", "moderator", "classifier", "classification"),
        *("decide", "decider", "decision", "decisions"),
    }
)
"""Seen in 2026: Llama Guard, Qwen3Guard, gpt-oss-safeguard, ShieldGemma, Granite Guardian, Nemotron Content Safety,
omni-moderation; GPT-6 Luna Decisions, Solar Decide, Perplexity Decider. `vanguard` is a word of its own."""
_IS_ONE = re.compile(
    r"\ban? (?:[\w.,/-]+ ){0,6}?(?:content[ -]safety|safety|moderation|decision) (?:\w+ )?(?:classifier|model)s?\b"
    r"|\bfor (?:[\w-]+ )?(?:safety|moderation) classification\b"
)


def judges(model: str, name: str, description: str) -> bool:
    """True: it passes judgement on what it is told.

    Args:
        model: `maker/model:variant`.
        name: `Maker: Model (variant)`, as it is shown.
        description: some sentences; the first says what the model is.
    """
    own = f"{model.rpartition('/')[2].partition(':')[0]} {name.partition(': ')[2] or name}".lower()
    first = re.split(r"\.\s|\n", description[:1000], maxsplit=1)[0]
    return not _NAMES.isdisjoint(_WORDS.findall(own)) or _IS_ONE.search(first.lower()) is not None
