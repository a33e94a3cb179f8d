"""A member chooses a model over HTTP, as the page does it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.messages import Member
from bot.openrouter.sandbox import SandboxSettings
from bot.routing.access import Reach, ToMember
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.pages import page_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

HARBOR, SUMMIT = "sandbox/harbor-24b:free", "sandbox/summit-120b"


class Page:
    def __init__(self, url: str, session: aiohttp.ClientSession, potluck: Deployment) -> None:
        self.url, self.session, self.potluck = url, session, potluck

    async def models(self, **fields: str) -> dict[str, Any]:
        params = {"member": "ann", **fields}
        async with self.session.get(f"{self.url}/api/models", params=params) as answer:
            assert answer.status == 200
            return dict(await answer.json())

    async def choose(self, model: object, **fields: str) -> tuple[int, dict[str, Any]]:
        body = {"member": "ann", "model": model, **fields}
        async with self.session.put(f"{self.url}/api/model", json=body) as answer:
            return answer.status, dict(await answer.json())


@asynccontextmanager
async def page(folder: Path, clock: VirtualClock) -> AsyncIterator[Page]:
    async with (
        deployment(folder, clock, sandbox=SandboxSettings(credits=Decimal(100))) as potluck,
        aiohttp.ClientSession() as session,
        page_of(potluck, models=potluck.running.choices) as url,
    ):
        yield Page(url, session, potluck)


async def test_a_member_sees_what_they_may_use_and_chooses_of_it(tmp_path: Path, clock: VirtualClock) -> None:
    async with page(tmp_path, clock) as open_page:
        listed = await open_page.models()
        assert listed["chosen"] is None
        assert {one["price"] for one in listed["models"]} == {"free"}, "nothing else is open to Ann"
        assert await open_page.choose(HARBOR) == (200, {"chosen": HARBOR})
        assert (await open_page.models())["chosen"] == HARBOR
        assert (await open_page.models(member="ben"))["chosen"] is None
        assert await open_page.choose(None) == (200, {"chosen": None})


async def test_what_costs_is_shown_with_its_price_to_those_who_may(tmp_path: Path, clock: VirtualClock) -> None:
    async with page(tmp_path, clock) as open_page:
        status, body = await open_page.choose(SUMMIT)
        assert (status, body["error"]) == (403, "model_not_allowed")
        assert "nobody has opened it to you" in body["message"]
        found = (await open_page.models(search="summit-120b", all="true"))["models"]
        assert [one["why_not"] for one in found if one["id"] == SUMMIT] == ["nobody"]
        await open_page.potluck.running.access.add(allows=True, to=ToMember(Member("web", "ann")), reach=Reach())
        models = (await open_page.models())["models"]
        (summit,) = [one for one in models if one["id"] == SUMMIT]
        assert (summit["lane"], summit["why_not"]) == ("paid", None)
        assert summit["price"].startswith("$")
        assert [one["free"] for one in models] == sorted((one["free"] for one in models), reverse=True)
        assert (await open_page.choose(SUMMIT))[0] == 200


async def test_a_conversation_has_a_choice_of_its_own(tmp_path: Path, clock: VirtualClock) -> None:
    async with page(tmp_path, clock) as open_page:
        assert (await open_page.choose(HARBOR, conversation="c1"))[1] == {"chosen": HARBOR}
        assert (await open_page.models(conversation="c1"))["chosen"] == HARBOR
        assert (await open_page.models())["chosen"] is None


@pytest.mark.parametrize("model", [5, "", "x" * 201, "a\nb", ["a"]])
async def test_what_names_no_model_is_refused(tmp_path: Path, clock: VirtualClock, model: object) -> None:
    async with page(tmp_path, clock) as open_page:
        status, body = await open_page.choose(model)
        assert (status, body["error"]) == (400, "bad_request")
