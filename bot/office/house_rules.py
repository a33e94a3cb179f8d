"""What admins laid down for a community: its models, the persona of a channel, the channels where nobody may ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.clock import Instant
from bot.errors import StorageError
from bot.messages import CommunityId, ModelId
from bot.office.edits import EVERYWHERE, Json
from bot.office.office import Office
from bot.routing.chain import Chain

ALL_CHANNELS = "*"
"""Key of what holds for all channels that are not named."""
MODELS = "models"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRules:
    """Of one community."""

    default: ModelId | None = None
    """Asked first, where a question names no model."""
    chain: tuple[ModelId, ...] = ()
    """Asked in turn where a question names no model, in place of the deployment's; `openrouter/free` comes last, named
    or not. Empty: the deployment's."""
    hidden: frozenset[ModelId] = field(default_factory=frozenset)
    """Not to be had there."""

    @classmethod
    def read(cls, kept: Json) -> ModelRules:
        """Raises: StorageError: it cannot be read."""
        if kept is None:
            return NO_MODEL_RULES
        try:
            found: Any = kept
            return cls(
                default=found.get("default"),
                chain=tuple(found.get("chain", ())),
                hidden=frozenset(found.get("hidden", ())),
            )
        except (TypeError, AttributeError) as error:
            raise StorageError(f"What admins laid down for models cannot be read: {error!r}.") from error

    def written(self) -> Json:
        """As it is kept."""
        kept: dict[str, Json] = {}
        if self.default is not None:
            kept["default"] = self.default
        if self.chain:
            kept["chain"] = list(self.chain)
        if self.hidden:
            kept["hidden"] = sorted(self.hidden)
        return kept or None


NO_MODEL_RULES = ModelRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """A community that has asked, for who runs Potluck."""

    community: CommunityId
    members: int
    """Who have asked, as far as what is kept tells."""
    today: int
    """Questions asked today."""
    newest: Instant
    """When somebody last asked."""


class HouseRules:
    """See the module. Reads what stands at the moment it is asked."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def models(self, community: CommunityId) -> ModelRules:
        """The community's own; what is laid down everywhere fills in what it leaves open, and hides besides."""
        own = ModelRules.read(self._office.at("models", community, MODELS))
        everywhere = ModelRules.read(self._office.at("models", EVERYWHERE, MODELS))
        if everywhere is NO_MODEL_RULES:
            return own
        return ModelRules(
            default=own.default or everywhere.default,
            chain=own.chain or everywhere.chain,
            hidden=own.hidden | everywhere.hidden,
        )

    def hidden(self, community: CommunityId) -> frozenset[ModelId]:
        """Models that are not to be had there."""
        return self.models(community).hidden

    def chain(self, community: CommunityId, otherwise: Chain) -> Chain:
        """What is asked in turn there where a question names no model; the deployment's chain, but for what admins
        laid down."""
        rules = self.models(community)
        chain = Chain(rules.chain) if rules.chain else otherwise
        return chain.led_by(rules.default, without=rules.hidden)

    def persona(self, community: CommunityId, channel: str) -> str:
        """What a model is told to be in a channel; empty: nothing but what it always is."""
        for key in (channel, ALL_CHANNELS):
            found = self._office.at("persona", community, key) if key else None
            if found is not None:
                return str(found)
        return ""

    def open(self, community: CommunityId, channel: str) -> bool:
        """Questions may be asked in a channel. Where there are no channels, as in private, always."""
        if not channel:
            return True
        own = self._office.at("channel", community, channel)
        return (own if own is not None else self._office.at("channel", community, ALL_CHANNELS)) != "deny"
