"""The tables. Times are UTC microseconds since 1970, days are counted from 1970-01-01 UTC, money is text.

What the caps rest on stands in `pools`, `pool_days` and `leases`; the texts stand in `turns` alone, so that they
can be pruned without touching a count.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# An SQLite primary key numbers itself only as INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")

pools = Table(
    "pools",
    metadata,
    Column("id", Text, primary_key=True),
    Column("started", BigInteger, nullable=False, doc="Leases ever given; the number of the newest."),
)

pool_days = Table(
    "pool_days",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("used", Integer, nullable=False, doc="Units of the day that are gone or under way."),
    Column("elsewhere", Integer, nullable=False, server_default=text("0"), doc="Gone beyond those, by the account."),
)

member_days = Table(
    "member_days",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("member", Text, primary_key=True),
    Column("taken", Integer, nullable=False, doc="Units charged to the member."),
)

leases = Table(
    "leases",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("pool", Text, nullable=False),
    Column("number", BigInteger, doc="1, 2, 3 … of the pool's: the minute's window counts by it. Null once released."),
    Column("day", Integer, nullable=False),
    Column("member", Text, nullable=False),
    Column("turn", BigInteger, doc="Null once released: nothing was sent."),
    Column("attempt", Integer, nullable=False),
    Column("lane", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("reserved_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    Column("outcome", Text),
    Column("generation", Text),
    Column("cost_usd", Text),
    Index("ix_leases_pool_number", "pool", "number"),
    Index("ix_leases_open", "id", sqlite_where=text("settled_at IS NULL"), postgresql_where=text("settled_at IS NULL")),
)

day_events = Table(
    "day_events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("pool", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("units", Integer, nullable=False, server_default=text("0"), doc="Where the kind does not say it."),
    Index("ix_day_events_pool_day", "pool", "day", "id"),
    Index("ix_day_events_day", "day"),
)

turns = Table(
    "turns",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("message", Text, nullable=False, doc="The first of the messages it answers."),
    Column("conversation", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("author_name", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("whole", Boolean, nullable=False, doc="The answer came to its end."),
    Column("model", Text),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("asked_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index("ix_turns_conversation", "conversation", "id"),
    Index("ix_turns_asked_at", "asked_at"),
    Index("ix_turns_member", "member"),
)

handled_messages = Table(
    "handled_messages",
    metadata,
    Column("message", Text, primary_key=True),
    Column("turn", BigInteger, nullable=False),
    Column("handled_at", BigInteger, nullable=False),
    Index("ix_handled_messages_turn", "turn"),
    Index("ix_handled_messages_handled_at", "handled_at"),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("message", Text, nullable=False, doc="The one it came with, or the first of those held together with it."),
    Column("conversation", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", Integer, nullable=False, doc="Bytes, as it came."),
    Column("length", Integer, nullable=False, doc="Bytes of the content."),
    Column("tokens", Integer, nullable=False),
    Column("cut", Boolean, nullable=False),
    Column("came_at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("ix_attachments_message", "message"),
    Index("ix_attachments_conversation", "conversation"),
    Index("ix_attachments_member", "member"),
    Index("ix_attachments_came_at", "came_at"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("forgotten_to", BigInteger, nullable=False, doc="Turns up to this one are no longer context."),
)

held_questions = Table(
    "held_questions",
    metadata,
    Column("ticket", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("author_name", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("model", Text),
    Column("asked_at", BigInteger, nullable=False),
    Column("held_at", BigInteger, nullable=False),
    Column("ended", Text, doc="finished, or an error code; null while it waits."),
    Column("pool", Text, doc="That has counted it as asked; null: the default one."),
    Index(
        "ix_held_questions_waiting",
        "held_at",
        sqlite_where=text("ended IS NULL"),
        postgresql_where=text("ended IS NULL"),
    ),
)

catalogues = Table(
    "catalogues",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("fetched_at", BigInteger, nullable=False),
    Column("personal", Boolean, nullable=False, doc="As the account's settings leave it; else everybody's."),
)

catalogue_models = Table(
    "catalogue_models",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("entry", Text, nullable=False, doc="JSON, by bot.storage.catalogue."),
)

pool_terms = Table(
    "pool_terms",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("terms", Text, nullable=False, doc="JSON, by bot.storage.terms."),
)

access_rules = Table(
    "access_rules",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("rule", Text, nullable=False, doc="JSON, by bot.storage.access."),
)

paying_members = Table(
    "paying_members",
    metadata,
    Column("account", Text, primary_key=True),
    Column("member", Text, primary_key=True, doc="Goes on for money when the pool is spent, without being asked."),
)

# Money that is counted stands in whole picodollars (10^-12 USD), see bot.routing.budget.
budgets = Table(
    "budgets",
    metadata,
    Column("account", Text, primary_key=True),
    Column("member", Text, primary_key=True, doc="Empty: all together. *: each who has none of their own."),
    Column("community", Text, primary_key=True, doc="Empty: anywhere."),
    Column("period", Text, primary_key=True),
    Column("limit_pico", BigInteger, nullable=False),
)

spending = Table(
    "spending",
    metadata,
    Column("account", Text, primary_key=True),
    Column("member", Text, primary_key=True, doc="Empty: all together."),
    Column("community", Text, primary_key=True, doc="Empty: anywhere."),
    Column("period", Text, primary_key=True),
    Column("number", Integer, primary_key=True, doc="Which day or month, from 1970; 0: ever."),
    Column("spent", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False, doc="Set aside for requests whose cost is not known yet."),
)

charges = Table(
    "charges",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("most", BigInteger, nullable=False),
    Column("reserved_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False, doc="reserved, unknown, settled, released or given_up."),
    Column("cost", BigInteger),
    Column("generation", Text),
    Column("look_at", BigInteger, doc="When /generation is asked next what it cost."),
    Column("looks", Integer, nullable=False),
    Index(
        "ix_charges_open",
        "look_at",
        sqlite_where=text("state IN ('reserved', 'unknown')"),
        postgresql_where=text("state IN ('reserved', 'unknown')"),
    ),
)

own_keys = Table(
    "own_keys",
    metadata,
    Column("owner", Text, primary_key=True, doc="Of a member or a community."),
    Column("sealed", Text, nullable=False, doc="By bot.vault; the owner stands inside, too."),
    Column("linked_at", BigInteger, nullable=False),
    Column("pool", Text, doc="Of a community's: the pool of the account it is a key of."),
    Index("ix_own_keys_pool", "pool", sqlite_where=text("pool IS NOT NULL"), postgresql_where=text("pool IS NOT NULL")),
)
