"""The catalogue in SQL: a row for each model, so that a start without network knows what is free."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation

from sqlalchemy import Connection, bindparam, delete, insert, select

from bot.clock import Instant
from bot.messages import ModelId
from bot.quota.ledger import PoolId
from bot.routing.catalogue import Catalogue, ExtraPrice, ModelInfo
from bot.storage.database import Database
from bot.storage.dialects import Prepared
from bot.storage.moments import instant, microseconds
from bot.storage.tables import catalogue_models, catalogues
from bot.telemetry.logs import logger

log = logger(__name__)

_ADD = Prepared(
    insert(catalogue_models).values(
        pool=bindparam("pool", required=True),
        model=bindparam("model", required=True),
        entry=bindparam("entry", required=True),
    )
)


class SqlCatalogues:
    """`bot.openrouter.models.Catalogues` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, pool: PoolId, catalogue: Catalogue) -> None:
        entries = {model: _written(info) for model, info in catalogue.models.items()}

        def unit(connection: Connection) -> None:
            for table in (catalogue_models, catalogues):
                connection.execute(delete(table).where(table.c.pool == pool))
            head = insert(catalogues).values(
                pool=pool, fetched_at=microseconds(catalogue.fetched_at), personal=catalogue.personal
            )
            connection.execute(head)
            for model, entry in entries.items():
                _ADD(connection, pool=pool, model=model, entry=entry)

        await self._database.write(unit)

    async def forget(self, pool: PoolId) -> None:
        """Keep none for a pool."""

        def unit(connection: Connection) -> None:
            for table in (catalogue_models, catalogues):
                connection.execute(delete(table).where(table.c.pool == pool))

        await self._database.write(unit)

    async def load(self, pool: PoolId) -> Catalogue | None:
        def unit(connection: Connection) -> tuple[int, bool, list[tuple[str, str]]] | None:
            head = connection.execute(select(catalogues).where(catalogues.c.pool == pool)).one_or_none()
            if head is None:
                return None
            wanted = select(catalogue_models.c.model, catalogue_models.c.entry).where(catalogue_models.c.pool == pool)
            return head.fetched_at, head.personal, [(row.model, row.entry) for row in connection.execute(wanted)]

        found = await self._database.read(unit)
        if found is None:
            return None
        fetched_at, personal, rows = found
        try:
            models = [_read(ModelId(model), entry) for model, entry in rows]
        except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
            # Of another version, or tampered with. A part of a catalogue would pass for the whole: better none.
            log.warning(
                "the kept catalogue cannot be read", extra={"action": "catalogue", "error": type(error).__name__}
            )
            return None
        return Catalogue.of(models, fetched_at=instant(fetched_at), personal=personal)


def _written(info: ModelInfo) -> str:
    fields = {
        "name": info.name,
        "slug": info.canonical_slug,
        "alias_of": info.alias_of,
        "context": [info.context_length, info.provider_context, info.max_completion_tokens],
        "prices": [
            None if price is None else str(price)
            for price in (info.prompt_price, info.completion_price, info.request_price, info.image_price)
        ],
        "surcharges": info.surcharges,
        "extra": [
            [one.name, None if one.price is None else str(one.price), one.min_prompt_tokens]
            for one in info.extra_prices
        ],
        "in": info.input_modalities,
        "out": info.output_modalities,
        "parameters": info.supported_parameters,
        "judges": info.judges,
        "expires_at": info.expires_at,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _read(model: ModelId, entry: str) -> ModelInfo:
    fields = json.loads(entry)
    context_length, provider_context, max_completion_tokens = fields["context"]
    prompt, completion, request, image = (None if price is None else Decimal(price) for price in fields["prices"])
    expires_at = fields["expires_at"]
    return ModelInfo(
        id=model,
        name=fields["name"],
        canonical_slug=fields["slug"],
        alias_of=fields["alias_of"],
        context_length=context_length,
        provider_context=provider_context,
        max_completion_tokens=max_completion_tokens,
        prompt_price=prompt,
        completion_price=completion,
        request_price=request,
        image_price=image,
        surcharges=tuple(fields["surcharges"]),
        extra_prices=tuple(
            ExtraPrice(name=name, price=None if price is None else Decimal(price), min_prompt_tokens=int(since))
            for name, price, since in fields.get("extra", ())  # without it: kept by an earlier version
        ),
        input_modalities=tuple(fields["in"]),
        output_modalities=tuple(fields["out"]),
        supported_parameters=tuple(fields["parameters"]),
        judges=fields["judges"],
        expires_at=None if expires_at is None else Instant(float(expires_at)),
    )
