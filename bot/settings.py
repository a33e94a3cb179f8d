"""The environment, read once and here alone. Every error names the variable, its fault and the fix."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from bot.errors import SettingsError
from bot.messages import Member, ModelId
from bot.routing.byok import ByokRule
from bot.routing.chain import Chain

BYOK_FREE_USD, BYOK_FEE_PERCENT = Decimal(25_000), Decimal(5)
"""For pay-as-you-go accounts, by https://openrouter.ai/docs/guides/overview/auth/byok as it was in August 2026. Before
that it was 1,000,000 requests a month."""
BYOK_RULE_OF = "August 2026"

FairPolicy: TypeAlias = Literal["fair", "fcfs"]


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    plain = value.isascii() and value.isprintable() and not set(" @?#") & set(value)
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("is not a plain http:// or https:// address")
    return value.rstrip("/")


def _gateway_url(value: str | None) -> str | None:
    if value is None:
        return None
    if value.partition("://")[0] not in ("ws", "wss"):
        raise ValueError("is not a plain ws:// or wss:// address")
    _http_url("http" + value.removeprefix("ws"))
    return value


def _slack_api_url(value: str) -> str:
    url = _http_url(value)
    if not url.endswith("/api"):
        raise ValueError("does not end in /api/")
    return f"{url}/"


def _host(value: str) -> str:
    try:
        plain = value.isascii() and value.isprintable() and bool(value.encode("idna"))
    except UnicodeError:
        plain = False
    if not plain:
        raise ValueError("is not a host name or an address")
    return value


def checked_database_url(value: str) -> str:
    """The address of a database that Potluck knows. Raises: ValueError: says what is wrong."""
    if value.startswith("sqlite+aiosqlite:///"):
        path = value.removeprefix("sqlite+aiosqlite:///")
        if path in ("", ":memory:"):
            raise ValueError("names no file, and the ledger must outlive the process")
        if not path.isprintable():
            raise ValueError("names a file whose name cannot be shown")
        return value
    if value.startswith(("postgresql+psycopg://", "postgresql://")):
        parts = urlsplit(value)
        if not value.isprintable() or len(parts.path) < 2 or "/" in parts.path[1:]:
            raise ValueError("names no database of the server's")
        if find_spec("psycopg") is None:
            raise ValueError("needs psycopg, which is not installed: pip install 'potluck[postgres]'")
        return "postgresql+psycopg" + value.removeprefix(parts.scheme)
    raise ValueError("is not a database Potluck knows")


def database_at(url: str) -> Path | str:
    """Where a checked address leads, for `bot.storage.database.Database`: a file of SQLite's, or a server's address."""
    return url if url.startswith("postgresql") else Path(url.removeprefix("sqlite+aiosqlite:///"))


def _owner_ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(Member.parse(part.strip()) for part in value.split(",") if part.strip())


def _free_models(value: object) -> object:
    if not isinstance(value, str):
        return value
    return Chain.of([part.strip() for part in value.split(",") if part.strip()]).models


def _one_word(value: SecretStr | None) -> SecretStr | None:
    word = value.get_secret_value() if value else "x"
    if not (word.isascii() and word.isprintable() and word and " " not in word):
        raise ValueError("is not one word of plain letters, digits and signs")
    return value


def _secret_key(value: SecretStr | None) -> SecretStr | None:
    for key in secret_keys(value):
        try:
            raw = base64.urlsafe_b64decode(key)
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise ValueError("holds a key that is not 32 bytes of URL-safe base64")
    return value


def secret_keys(value: SecretStr | None) -> list[bytes]:
    """The keys of `SECRET_KEY`, newest first."""
    return [part.strip().encode() for part in (value.get_secret_value() if value else "").split(",") if part.strip()]


class Settings(BaseSettings):
    """Every variable Potluck reads, from the environment or a `.env` file beside it. Empty counts as unset."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    openrouter_api_key: Annotated[SecretStr | None, AfterValidator(_one_word)] = Field(
        default=None, description="Key of the OpenRouter account to share. Unset: the built-in sandbox stands in."
    )
    openrouter_base_url: Annotated[str, AfterValidator(_http_url)] = Field(
        default="https://openrouter.ai/api/v1", description="Where OpenRouter is reached."
    )
    free_models: Annotated[tuple[ModelId, ...], NoDecode, BeforeValidator(_free_models)] = Field(
        default=(),
        description="Up to two free models to ask first: maker/model:free,maker/model:free. "
        "openrouter/free comes last by itself.",
    )
    database_url: Annotated[str, AfterValidator(checked_database_url)] = Field(
        default="sqlite+aiosqlite:///potluck.db",
        repr=False,
        description="Where everything is kept: sqlite+aiosqlite:///FILE, or postgresql+psycopg://USER@HOST/NAME.",
    )
    pool_rpm: int = Field(default=20, ge=1, le=100_000, description="Requests a minute the pool may start.")
    pool_rpd: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Requests a UTC day the pool may start. Unset: learnt from the account, else 50.",
    )
    fair_policy: FairPolicy = Field(
        default="fair",
        description="How the day is shared: up to the level for everyone (fair), or first come, first served (fcfs).",
    )
    fair_between: Literal["members", "communities"] = Field(
        default="members", description="One level over all members, or communities first and members within them."
    )
    promise_units: int = Field(
        default=1, ge=0, le=10, description="Units set aside for a member for an hour after an answer. 0: none."
    )
    max_wait_seconds: float = Field(
        default=900, gt=0, le=86_400, description="A question that waits longer for the minute ends as too long a wait."
    )
    retain_messages_days: int = Field(
        default=30, ge=0, le=3650, description="Days questions and answers are kept. 0: not past the answer."
    )
    retain_counts_days: int = Field(
        default=60, ge=28, le=3650, description="Days it is kept who asked and was sent when; the level learns from 28."
    )
    retain_audit_days: int = Field(
        default=365, ge=1, le=3650, description="Days it is kept who changed what, and how long it can be taken back."
    )
    owner_ids: Annotated[tuple[Member, ...], NoDecode, BeforeValidator(_owner_ids)] = Field(
        default=(), description="Who runs this Potluck: discord:123,slack:T1/U2,web:ann."
    )
    byok_free_usd: Decimal = Field(
        default=BYOK_FREE_USD,
        ge=0,
        le=1_000_000_000,
        description="USD of list price a month that providers' own keys may serve before OpenRouter takes a fee.",
    )
    byok_fee_percent: Decimal = Field(
        default=BYOK_FEE_PERCENT, ge=0, le=100, description="That fee, in percent of the list price."
    )
    secret_key: Annotated[SecretStr | None, AfterValidator(_secret_key)] = Field(
        default=None,
        description="Comma-separated keys, the newest first; pseudonyms are made with the oldest. "
        "Unset: one is made and kept beside the database.",
    )
    web_host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1", description="Address the web page listens on."
    )
    web_port: int = Field(default=8080, ge=0, le=65_535, description="Port of the web page. 0: any free one.")
    web_token: Annotated[SecretStr | None, AfterValidator(_one_word)] = Field(
        default=None, description="Password of the web page; without it the page answers this machine only."
    )
    discord_token: Annotated[SecretStr | None, AfterValidator(_one_word)] = Field(
        default=None, description="Token of the bot on Discord. docs/discord.md says how."
    )
    discord_api_url: Annotated[str, AfterValidator(_http_url)] = Field(
        default="https://discord.com/api/v10", description="Discord's API; another for a proxy or a test server."
    )
    discord_gateway_url: Annotated[str | None, AfterValidator(_gateway_url)] = Field(
        default=None, description="Its gateway, wss://. Unset: the one the API names."
    )
    slack_bot_token: Annotated[SecretStr | None, AfterValidator(_one_word)] = Field(
        default=None, description="Bot token of the one workspace Potluck is in (xoxb-). docs/slack.md says how."
    )
    slack_app_token: Annotated[SecretStr | None, AfterValidator(_one_word)] = Field(
        default=None, description="App token (xapp-) for Socket Mode, which needs no address others can reach."
    )
    slack_signing_secret: Annotated[SecretStr | None, AfterValidator(_one_word)] = Field(
        default=None, description="Signing secret. Set without SLACK_APP_TOKEN: Slack comes over HTTP instead."
    )
    slack_client_id: str | None = Field(
        default=None, description="With SLACK_CLIENT_SECRET and no SLACK_BOT_TOKEN: many workspaces install Potluck."
    )
    slack_client_secret: Annotated[SecretStr | None, AfterValidator(_one_word)] = Field(
        default=None, description="Client secret of the Slack app, for installations."
    )
    slack_api_url: Annotated[str, AfterValidator(_slack_api_url)] = Field(
        default="https://slack.com/api/", description="Slack's Web API; another for GovSlack or a test server."
    )
    log_format: Literal["text", "json"] | None = Field(
        default=None, description="text or json. Unset: text on a terminal, else json."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="What is logged.")

    @property
    def database(self) -> Path | str:
        """Where it is, for `bot.storage.database.Database`: a file of SQLite's, or a server's address."""
        return database_at(self.database_url)

    @property
    def server(self) -> bool:
        """True: PostgreSQL. Several processes may use it, and there is no file."""
        return self.database_url.startswith("postgresql")

    @property
    def database_file(self) -> Path:
        """SQLite's."""
        file = self.database
        assert isinstance(file, Path)
        return file

    @property
    def database_name(self) -> str:
        """As anyone may see it, without the password."""
        if not self.server:
            return str(self.database_file)
        parts = urlsplit(self.database_url)
        where = parts.netloc.rpartition("@")[2] or "this machine"
        return f"PostgreSQL, {parts.path[1:]} on {where}"

    @property
    def sandbox(self) -> bool:
        """True: no key, so the built-in sandbox stands in for OpenRouter."""
        return self.openrouter_api_key is None

    @property
    def byok_rule(self) -> ByokRule:
        """What providers' own keys in the account cost at OpenRouter."""
        numbers = self.byok_free_usd, self.byok_fee_percent
        of = BYOK_RULE_OF if numbers == (BYOK_FREE_USD, BYOK_FEE_PERCENT) else ""
        return ByokRule(free_usd=self.byok_free_usd, fee_percent=self.byok_fee_percent, of=of)

    @property
    def slack(self) -> bool:
        """Slack is set up, for one workspace or for many."""
        return self.slack_bot_token is not None or self.slack_client_id is not None

    def model_post_init(self, context: object, /) -> None:
        loopback = self.web_host in ("127.0.0.1", "::1", "localhost")
        if not loopback and self.web_token is None:
            raise SettingsError(
                "WEB_HOST", f"{self.web_host} can be reached by others and the page has no password", "Set WEB_TOKEN."
            )
        if self.slack and self.slack_app_token is None and self.slack_signing_secret is None:
            raise SettingsError(
                "SLACK_BOT_TOKEN" if self.slack_bot_token is not None else "SLACK_CLIENT_ID",
                "is set, but not how Slack reaches Potluck",
                "Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP.",
            )
        if (self.slack_client_id is None) != (self.slack_client_secret is None):
            raise SettingsError(
                "SLACK_CLIENT_ID" if self.slack_client_id is not None else "SLACK_CLIENT_SECRET",
                "is only one of the two that installations need",
                "Set both SLACK_CLIENT_ID and SLACK_CLIENT_SECRET, or neither.",
            )


_FIXES = {
    "openrouter_api_key": "Copy the key again, or leave it unset for the sandbox.",
    "openrouter_base_url": "Use an address such as https://openrouter.ai/api/v1.",
    "discord_token": "Copy the bot's token again from discord.com/developers/applications.",
    "discord_api_url": "Use https://discord.com/api/v10.",
    "discord_gateway_url": "Leave it unset, or use an address such as wss://gateway.discord.gg.",
    "slack_api_url": "Use https://slack.com/api/, or https://slack-gov.com/api/ for GovSlack.",
    "slack_bot_token": "Copy it again from the app's page at api.slack.com; it begins with xoxb-.",
    "slack_app_token": "Copy it again from the app's page at api.slack.com; it begins with xapp-.",
    "slack_signing_secret": "Copy it again from the app's page at api.slack.com.",
    "slack_client_secret": "Copy it again from the app's page at api.slack.com.",
    "web_host": "Use an address of this machine, such as 127.0.0.1.",
    "web_token": "Choose another.",
    "database_url": "Use sqlite+aiosqlite:///potluck.db, or postgresql+psycopg://user:password@host/potluck.",
    "owner_ids": "Write platform:user or platform:tenant/user, separated by commas, such as web:ann.",
    "secret_key": "Leave it unset to have one made.",
    "free_models": "Write at most two ids from openrouter.ai/models that end in :free, separated by commas.",
}


def load_settings(env_file: Path | str | None = ".env") -> Settings:
    """Read the environment.

    Raises:
        SettingsError: one line about the first variable that cannot be used. Never holds the value of a secret.
    """
    read = _read(env_file)
    if isinstance(read, Settings):
        return read
    raise read[0]


def faults(env_file: Path | str | None = ".env") -> Sequence[SettingsError]:
    """Everything `load_settings` refuses, not only the first of it."""
    read = _read(env_file)
    return () if isinstance(read, Settings) else read


def _read(env_file: Path | str | None) -> Settings | Sequence[SettingsError]:
    try:
        return Settings(_env_file=env_file)
    except SettingsError as error:
        return [error]
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        names = [str(one["loc"][0]) if one["loc"] else "settings" for one in found]
        return [
            SettingsError(name.upper(), _fault(one["msg"]), _fix(name)) for name, one in zip(names, found, strict=True)
        ]
    except (SourceError, UnicodeDecodeError, OSError) as error:
        return [SettingsError(".env", f"cannot be read ({type(error).__name__})", "Check the file.")]


def _fault(message: str) -> str:
    fault = message.removeprefix("Value error, ").removeprefix("Input ")
    return fault[0].lower() + fault[1:]


def _fix(name: str) -> str:
    if name in _FIXES:
        return _FIXES[name]
    default = Settings.model_fields[name].default
    return f"Leave it unset{f' for {default}' if default is not None else ''}, or correct it."
