"""`key …` and `model …`: what is a member's own, and nobody else's to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.commands.answer import Link, Next, Table
from bot.commands.saying import Code
from bot.messages import Finished, Member, Who
from tests.fakes.calling import Calling, facts, on_the_page, said
from tests.fakes.deployment import deployment
from tests.fakes.linking import key_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

ANN = Member("web", "ann")


async def test_a_key_is_added_shown_by_its_end_and_removed(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        call = Calling(potluck)
        assert not any(isinstance(part, Next) for part in (await call("key show", "ann")).parts)
        opened = await call("key add", "ann")
        assert any(isinstance(part, Link) and "code_challenge" in part.url for part in opened.parts)
        assert opened.private
        assert any(isinstance(part, Next) and part.path == ("key", "paste") for part in opened.parts)
        wrong = await call("key paste", "ann", pasted="not a code")
        assert (wrong.ok, len(wrong.parts)) == (False, 1)
        key = (await key_of(potluck, "anns")).get_secret_value()
        added = await call("key paste", "ann", pasted=key)
        assert added.ok, said(added)
        assert key not in repr(added)
        assert facts(await call("key show", "ann"))["Key"] == Code(f"…{key[-4:]}")
        assert not facts(await call("key show", "ben")), "the control: it is hers"
        await potluck.ask("ann")
        assert [attempt.account for attempt in potluck.sandbox.log] == ["anns"]
        assert (await call("key remove", "ann")).ok
        assert await potluck.running.keys.shown(ANN) is None


async def test_a_model_is_chosen_for_oneself_and_left_to_potluck_again(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        call = Calling(potluck)
        caller = on_the_page("ann")
        offered = potluck.running.choices.usable(Who(member=ANN, community=caller.community, standing="full"))
        model = next(one for one in offered if one.free and one.id.endswith(":free")).id
        shown = next(part for part in (await call("model show", "ann")).parts if isinstance(part, Table))
        assert Code(model) in [row[0] for row in shown.rows]
        assert (await call("model set", "ann", model=model)).ok
        assert facts(await call("model show", "ann"))["For you"] == Code(model)
        assert facts(await call("model show", "ben"))["For you"] != Code(model), "the control"
        ending = (await potluck.ask("ann")).ending
        assert isinstance(ending, Finished)
        assert ending.model == model
        for wrong in ("acme/there-is-none", await key_of(potluck, "anns")):
            text = wrong if isinstance(wrong, str) else wrong.get_secret_value()
            answer = await call("model set", "ann", model=text)
            assert (answer.ok, len(answer.parts)) == (False, 1)
        assert potluck.running.choices.chosen(ANN) == model, "and nothing has changed"
        assert not (await call("model set", "ann", model=model, where="here")).ok, "there is no conversation"
        assert (await call("model set", "ann", model="any")).ok
        assert potluck.running.choices.chosen(ANN) is None
