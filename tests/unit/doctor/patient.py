"""A folder with settings in it, and what the doctor says of them; it is never left unsaid what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.clock import SystemClock
from bot.doctor.examine import examine
from bot.doctor.finding import Finding
from bot.messages import CommunityId, ModelId
from bot.openrouter.sandbox import FaultRule, Faults, Sandbox, SandboxSettings

KEY = "sk-or-v1-heron"
CLOCK = SystemClock()


class Patient:
    """A folder with settings in it, and what the doctor says of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "potluck.db"
        self.env = {"DATABASE_URL": f"sqlite+aiosqlite:///{self.database}", "WEB_PORT": "0"}
        self.findings: list[Finding] = []

    async def look(
        self, *, model: str = "", community: str = "", space_wanted: int = 0, mode: int = 0o600, **env: str
    ) -> None:
        env_file = self.folder / ".env"
        env_file.write_text("".join(f"{name}={value}\n" for name, value in (self.env | env).items()))
        env_file.chmod(mode)
        wanted = ModelId(model) if model else None
        place = CommunityId(community) if community else None
        looking = examine(env_file=env_file, clock=CLOCK, model=wanted, community=place, space_wanted=space_wanted)
        self.findings = [finding async for finding in looking]
        assert KEY not in repr(self.findings)
        assert all(finding.fix for finding in self.findings if finding.level != "ok"), "each trouble has its fix"

    def __getitem__(self, check: str) -> Finding:
        (finding,) = (finding for finding in self.findings if finding.check == check)
        return finding

    def level(self, check: str) -> str:
        return self[check].level

    def levels(self, *checks: str) -> list[str]:
        return [self.level(check) for check in checks]

    def files(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.folder.iterdir() if file.name != ".env"}


@asynccontextmanager
async def sandboxed(patient: Patient, sandbox: SandboxSettings, *, preferred: str = "") -> AsyncIterator[Sandbox]:
    """The patient has been looked at with this sandbox for OpenRouter; it costs no request."""
    upstream = Sandbox(sandbox, CLOCK)
    try:
        url = await upstream.start()
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, FREE_MODELS=preferred)
        yield upstream
        assert upstream.log == []
    finally:
        await upstream.close()


def telling(name: str, path: str) -> SandboxSettings:
    return SandboxSettings(faults=Faults(rules=(FaultRule(fault=name, path=path),)))
