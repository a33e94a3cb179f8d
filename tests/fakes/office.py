"""Laying down terms as who runs Potluck, in all communities at once."""

from __future__ import annotations

from bot.clock import day_of
from bot.messages import CommunityId, Member
from bot.office.edits import EVERYWHERE, Address, Edit, Json, Wish, to
from bot.office.own_terms import OwnTerms
from bot.office.roster import reserve_key
from bot.quota.terms import Terms
from bot.service import Service

OWNER = Member("web", "owner")


async def lay_down(running: Service, terms: Terms, community: CommunityId = EVERYWHERE) -> None:
    """These terms, in place of whatever stood. `community`: what is about members holds there alone."""
    office, today = running.office, day_of(running.clock.now())
    wanted: dict[Address, Json] = {
        address: None for address in office.laid_down if address.kind in ("member", "weight", "reserve")
    }
    for key, own in terms.members.items():
        kept = OwnTerms(
            weight=None if own.weight == 1 else own.weight,
            every_day=own.every_day or None,
            on_day=own.on_day,
            block=own.block,
        )
        wanted[Address("member", community, key)] = kept.written(today=today)
    for whose, weight in terms.communities.items():
        wanted[Address("weight", EVERYWHERE, whose)] = weight
    for reserve in terms.reserves:
        wanted[Address("reserve", EVERYWHERE, reserve_key(running.pools.default.id, reserve.until))] = reserve.units
    edits = [Edit(address, to(value)) for address, value in wanted.items()]
    await office.change(Wish(by=OWNER, community=EVERYWHERE, command="lay down"), edits)
