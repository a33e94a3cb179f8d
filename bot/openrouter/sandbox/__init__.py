"""A real HTTP server that speaks OpenRouter's shapes, for use without a key and as the truth in tests.

It keeps the same limits, writes the same errors and streams at a human pace, but a few lines of its own
make up the answers. Nothing in here is used when a real OpenRouter answers.
"""

from __future__ import annotations

from bot.openrouter.sandbox.fault import Fault
from bot.openrouter.sandbox.faults import FAULTS
from bot.openrouter.sandbox.log import Outcome, SandboxAttempt, read_log
from bot.openrouter.sandbox.rules_file import load_faults
from bot.openrouter.sandbox.script import FaultRule, Faults
from bot.openrouter.sandbox.server import Sandbox
from bot.openrouter.sandbox.settings import AccountSettings, Beliefs, SandboxSettings
from bot.openrouter.sandbox.tellings import TELLINGS

__all__ = [
    "FAULTS",
    "TELLINGS",
    "AccountSettings",
    "Beliefs",
    "Fault",
    "FaultRule",
    "Faults",
    "Outcome",
    "Sandbox",
    "SandboxAttempt",
    "SandboxSettings",
    "load_faults",
    "read_log",
]
