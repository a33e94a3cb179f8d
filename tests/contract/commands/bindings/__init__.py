"""The platforms that commands are used on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

from tests.contract.commands.bindings.binding import Binding
from tests.contract.commands.bindings.discord import discord
from tests.contract.commands.bindings.shell import shell
from tests.contract.commands.bindings.slack import slack
from tests.contract.commands.bindings.terminal import terminal
from tests.contract.commands.bindings.web import web
from tests.fakes.virtual import VirtualClock

Start: TypeAlias = Callable[[Path, VirtualClock], AbstractAsyncContextManager[Binding]]

BINDINGS: Mapping[str, Start] = {"web": web, "shell": shell, "discord": discord, "slack": slack, "terminal": terminal}
