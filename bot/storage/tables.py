"""The tables. Times are UTC microseconds since 1970, days are counted from 1970-01-01 UTC, money is text.

What the caps rest on stands in `pools`, `pool_days` and `leases`; the texts stand in `turns` alone, so that they
can be pruned without touching a count.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

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
    # What the account has said, see bot.quota.word.
    Column("told", BigInteger, nullable=False, server_default=text("0"), doc="How often it has said something new."),
    Column("paused_until", BigInteger),
    Column("rpm", Integer),
    Column("rpm_under", Integer),
    Column("rpd", Integer),
    Column("shut_for", Text),
    Column("shut_by", Text, doc="The process that found out why; it holds no longer than that lives."),
)

pool_days = Table(
    "pool_days",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("used", Integer, nullable=False, doc="Units of the day that are gone or under way."),
    Column("elsewhere", Integer, nullable=False, server_default=text("0"), doc="Gone beyond those, by the account."),
    Column("spent_at", Integer, doc="The cap at which the account said that all of it was spent."),
    Column("begun", Boolean, doc="The account's count has shown that it began anew."),
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
    Column("upstream_usd", Text, doc="What a provider charged its own key's owner. Null: it was no provider's key."),
    Column("process", Text, doc="Which one has it, where there may be several."),
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
    Column("other", Text, doc="The account that has become one of the member's, where that is what happened."),
    Column("process", Text, doc="Which one wrote it, where there may be several: the others have yet to hear of it."),
    Index("ix_day_events_pool_day", "pool", "day", "id"),
    Index("ix_day_events_day", "day"),
)

processes = Table(
    "processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seen_at", BigInteger, nullable=False, doc="It was alive then, by the database's clock."),
)

claims = Table(
    "claims",
    metadata,
    Column("key", Text, primary_key=True, doc="Of what only one process may do at a time; names no secret."),
    Column("process", Text, nullable=False),
)

line_changes = Table(
    "line_changes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("pool", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("number", BigInteger, nullable=False, doc="Of the process's tickets in the pool."),
    Column("state", Text, nullable=False, doc="waiting, started or left; the last change of a ticket holds."),
    Column("member", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("weight", Float, nullable=False),
    Column("tag", Float, nullable=False, doc="Its turn."),
    Column("place", BigInteger, nullable=False, doc="Who came first, among tickets of one turn."),
    Column("at", BigInteger, nullable=False),
    Index("ix_line_changes_pool", "pool", "id"),
    Index("ix_line_changes_ticket", "process", "number"),
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
    Column("asked_as", Text, doc="JSON: who the member was there, and in which channel; null: nothing is known."),
    Column("process", Text, doc="Which one answers it, where there may be several."),
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
    Column("process", Text, doc="Which one sends the request, where there may be several."),
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

linked_accounts = Table(
    "linked_accounts",
    metadata,
    Column("account", Text, primary_key=True),
    Column("person", Text, nullable=False, doc="The first account, which all of the person is counted under."),
    Column("joined_at", BigInteger, nullable=False),
    Column("parts_on", Integer, doc="The first day on which it is by itself again. Null: it is to stay."),
    Index("ix_linked_accounts_person", "person"),
)

link_codes = Table(
    "link_codes",
    metadata,
    Column("digest", Text, primary_key=True, doc="Keyed: who reads the database cannot use it."),
    Column("member", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

erased_members = Table(
    "erased_members",
    metadata,
    Column("digest", Text, primary_key=True, doc="Keyed, of an account whose name was deleted that day."),
    Column("person", Text, nullable=False, doc="Whom its units are counted under until the day is over."),
    Column("day", Integer, nullable=False),
)

day_fairness = Table(
    "day_fairness",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("ratio", Float, nullable=False, doc="By bot.fairness, 0 to 1."),
    Column("members", Integer, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("given", Integer, nullable=False),
    Column("units", Integer, nullable=False, doc="What there was to give."),
)

model_choices = Table(
    "model_choices",
    metadata,
    Column("kind", Text, primary_key=True, doc="member, conversation or community."),
    Column("key", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("chosen_by", Text, nullable=False, doc="A model that costs is used for this member's questions only."),
    Column("chosen_at", BigInteger, nullable=False),
)

byok_months = Table(
    "byok_months",
    metadata,
    Column("account", Text, primary_key=True),
    Column("month", Integer, primary_key=True, doc="Counted from January 1970."),
    Column("usd", Text, nullable=False, doc="What went by providers' own keys, at list prices, by /key."),
    Column("told_at", BigInteger, nullable=False),
)

posted_answers = Table(
    "posted_answers",
    metadata,
    Column("question", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("reply_to", Text, nullable=False),
    Column("stage", Text, nullable=False, doc="waiting, started, held or over."),
    Column("message", Text, doc="JSON, by bot.storage.posts; while it waits, or came to nothing."),
    Column("ticket", Text),
    Column("asked_at", BigInteger, nullable=False),
    Index(
        "ix_posted_answers_unfinished",
        "platform",
        "asked_at",
        sqlite_where=text("stage != 'over'"),
        postgresql_where=text("stage != 'over'"),
    ),
)

posts = Table(
    "posts",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("post", Text, primary_key=True, doc="The platform's id of a message an answer is shown in."),
    Column("question", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Index("ix_posts_question", "question"),
)

adapter_notes = Table(
    "adapter_notes",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("noted_at", BigInteger, nullable=False),
)

slack_seen = Table(
    "slack_seen",
    metadata,
    Column("key", Text, primary_key=True, doc="An event's id, or a message by workspace, channel and ts."),
    Column("seen_at", BigInteger, nullable=False),
    Index("ix_slack_seen_seen_at", "seen_at"),
)

slack_threads = Table(
    "slack_threads",
    metadata,
    Column("thread", Text, primary_key=True, doc="One that Potluck was called into."),
    Column("muted", Boolean, nullable=False, doc="There it answers only who calls it by name."),
    Column("used_at", BigInteger, nullable=False),
)

slack_verdicts = Table(
    "slack_verdicts",
    metadata,
    Column("answer", Text, primary_key=True),
    Column("member", Text, primary_key=True),
    Column("good", Boolean, nullable=False),
    Column("given_at", BigInteger, nullable=False),
)

slack_installations = Table(
    "slack_installations",
    metadata,
    Column("tenant", Text, primary_key=True, doc="A workspace, or an organisation that installed it for all of its."),
    Column("sealed", Text, nullable=False, doc="By bot.vault: the token and whose it is."),
    Column("installed_at", BigInteger, nullable=False),
)

laid_down = Table(
    "laid_down",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("community", Text, primary_key=True, doc="Empty: everywhere, or of the shared pool."),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False, doc="JSON, by the modules of bot.office."),
)

changes = Table(
    "changes",
    metadata,
    Column("number", _Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("community", Text, nullable=False, doc="Whose admins may see it and undo it. Empty: who runs Potluck."),
    Column("command", Text, nullable=False),
    Column("edits", Text, nullable=False, doc="JSON, by bot.storage.office."),
    Column("undoes", BigInteger),
    Index("ix_changes_community_number", "community", "number"),
    Index("ix_changes_undoes", "undoes"),
)
