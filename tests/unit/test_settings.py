"""Settings: whatever the environment says, Potluck gets settings it can use, or one line that says what to mend."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.errors import SettingsError
from bot.messages import Member
from bot.secrets import load_secret
from bot.settings import Settings, load_settings

NAMES = tuple(name.upper() for name in Settings.model_fields)
SECRETS = ("OPENROUTER_API_KEY", "SECRET_KEY", "WEB_TOKEN")
MARK = "hunter2hunter2"

WRONG = [
    ("OPENROUTER_API_KEY", "two words"),
    ("OPENROUTER_API_KEY", "schlüssel"),
    ("OPENROUTER_BASE_URL", "openrouter.ai"),
    ("OPENROUTER_BASE_URL", "ftp://openrouter.ai"),
    ("OPENROUTER_BASE_URL", "http://"),
    ("OPENROUTER_BASE_URL", "http://[::1"),
    ("OPENROUTER_BASE_URL", "http://a:99999"),
    ("OPENROUTER_BASE_URL", "http://a:0"),
    ("OPENROUTER_BASE_URL", "http://ann:word@a"),
    ("OPENROUTER_BASE_URL", "http://a b"),
    ("DATABASE_URL", "potluck.db"),
    ("DATABASE_URL", "mysql://localhost/potluck"),
    ("DATABASE_URL", "sqlite+aiosqlite:///"),
    ("DATABASE_URL", "sqlite+aiosqlite:///:memory:"),
    ("DATABASE_URL", "sqlite+aiosqlite:///pot\nluck.db"),
    ("DATABASE_URL", "postgresql+psycopg://ann:word@here"),
    ("DATABASE_URL", "postgresql+psycopg://here/"),
    ("DATABASE_URL", "postgresql+asyncpg://here/potluck"),
    ("POOL_RPM", "0"),
    ("POOL_RPM", "100001"),
    ("POOL_RPM", "many"),
    ("POOL_RPM", "2.5"),
    ("POOL_RPD", "0"),
    ("POOL_RPD", "-50"),
    ("FAIR_POLICY", "unfair"),
    ("MAX_WAIT_SECONDS", "0"),
    ("MAX_WAIT_SECONDS", "nan"),
    ("MAX_WAIT_SECONDS", "inf"),
    ("RETAIN_MESSAGES_DAYS", "-1"),
    ("OWNER_IDS", "ann"),
    ("OWNER_IDS", "web:ann,discord:"),
    ("SECRET_KEY", "short"),
    ("SECRET_KEY", base64.urlsafe_b64encode(bytes(32)).decode() + ",short"),
    ("WEB_HOST", "0.0.0.0"),
    ("WEB_HOST", "a" * 64),
    ("WEB_HOST", "a..b"),
    ("WEB_PORT", "65536"),
    ("WEB_PORT", "-1"),
    ("WEB_TOKEN", "two words"),
    ("LOG_FORMAT", "xml"),
    ("LOG_LEVEL", "loud"),
]


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with these variables and none of Potluck's others."""
    before = {name: value for name, value in os.environ.items() if name.upper() in NAMES}
    for name in before:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update(before)


def load(values: Mapping[str, str], env_file: Path | None = None) -> Settings:
    with environment(values):
        return load_settings(env_file)


def attempt(values: Mapping[str, str], env_file: Path | None = None) -> Settings | SettingsError:
    try:
        return load(values, env_file)
    except SettingsError as error:
        return error


def possible(*values: str) -> bool:
    """An environment could hold these: it cannot hold every lone surrogate."""
    try:
        for value in values:
            os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def test_nothing_set_is_enough() -> None:
    settings = load({})
    assert settings == Settings.model_construct()
    assert settings.sandbox
    assert settings.database_file == Path("potluck.db")


@pytest.mark.parametrize("name", NAMES)
def test_empty_counts_as_unset(name: str) -> None:
    assert load({name: ""}) == load({})


def test_everything_can_be_set() -> None:
    key = base64.urlsafe_b64encode(bytes(32)).decode()
    settings = load(
        {
            "OPENROUTER_API_KEY": "sk-or-v1-abc",
            "OPENROUTER_BASE_URL": "http://127.0.0.1:8090/api/v1/",
            "DATABASE_URL": "sqlite+aiosqlite:////srv/potluck/pot.db",
            "OWNER_IDS": "discord:123, slack:T1/U2,web:ann,",
            "SECRET_KEY": f"{key}, {key}",
            "WEB_HOST": "0.0.0.0",
            "WEB_TOKEN": "open-sesame",
            "POOL_RPD": "1000",
        }
    )
    assert not settings.sandbox
    assert settings.openrouter_base_url == "http://127.0.0.1:8090/api/v1"
    assert settings.database_file == Path("/srv/potluck/pot.db")
    assert settings.owner_ids == (Member("discord", "123"), Member("slack", "U2", "T1"), Member("web", "ann"))
    assert settings.web_token == SecretStr("open-sesame")
    assert settings.pool_rpd == 1000


def test_a_server_is_named_without_its_password() -> None:
    settings = load({"DATABASE_URL": "postgresql://ann:secret-word@db.example:5433/potluck?sslmode=require"})
    assert settings.server
    assert settings.database == "postgresql+psycopg://ann:secret-word@db.example:5433/potluck?sslmode=require"
    assert settings.database_name == "PostgreSQL, potluck on db.example:5433"
    assert "secret-word" not in repr(settings)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    assert caught.value.variable == name
    assert str(caught.value).startswith(f"{name}: ")
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith(".")


def test_the_first_wrong_one_is_named_when_there_are_several() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"WEB_PORT": "x", "POOL_RPM": "x"})
    assert caught.value.variable == "POOL_RPM"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("POOL_RPM=7\nPOOL_RPD=70\nSOMETHING_ELSE=1\n")
    settings = load({"POOL_RPD": "80"}, file)
    assert (settings.pool_rpm, settings.pool_rpd) == (7, 80)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"POOL_RPM=\xff\xfe\n")
    with pytest.raises(SettingsError) as caught:
        load({}, file)
    assert caught.value.variable == ".env"


_texts = st.text(st.characters(exclude_characters="\0"))
_values = st.one_of(
    _texts,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from([value for _, value in WRONG]),
    _texts.map("http://{}".format),
    _texts.map("sqlite+aiosqlite:///{}".format),
    st.binary(min_size=32, max_size=32).map(lambda key: base64.urlsafe_b64encode(key).decode()),
)


@given(values=st.dictionaries(st.sampled_from(NAMES), _values))
@example(values={"WEB_TOKEN": "\udcff"})
@example(values={"DATABASE_URL": "sqlite+aiosqlite:///\udcff"})
@example(values={"WEB_HOST": "a\nb", "WEB_TOKEN": "x"})
def test_any_environment_yields_settings_or_one_line(values: dict[str, str]) -> None:
    assume(possible(*values.values()))
    loaded = attempt(values)
    if isinstance(loaded, SettingsError):
        assert loaded.variable in values
        assert str(loaded).isprintable()
    else:
        assert loaded.web_token is not None or loaded.web_host in ("127.0.0.1", "::1", "localhost")


@given(content=st.binary() | st.text().map(str.encode))
def test_any_file_yields_settings_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.env"
    file.write_bytes(content)
    loaded = attempt({}, file)
    assert isinstance(loaded, Settings) or str(loaded).isprintable()


@given(
    name=st.sampled_from(SECRETS),
    before=_texts,
    after=_texts,
    others=st.dictionaries(st.sampled_from(sorted(set(NAMES) - set(SECRETS))), _values),
)
@example(name="SECRET_KEY", before="", after="", others={})
@example(name="WEB_TOKEN", before=" ", after="", others={})
@example(name="OPENROUTER_API_KEY", before=" ", after="", others={})
def test_no_secret_is_told(name: str, before: str, after: str, others: dict[str, str]) -> None:
    value = f"{before}{MARK}{after}"
    assume(possible(value, *others.values()))
    loaded = attempt({name: value, **others})
    assert MARK not in str(loaded)
    assert MARK not in repr(loaded)


def test_a_secret_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    settings = load({"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'pot.db'}"})
    made, kept = load_secret(settings), load_secret(settings)
    assert made.made_at == tmp_path / "pot.key"
    assert made.made_at.stat().st_mode & 0o777 == 0o600
    assert kept.made_at is None
    assert made.pseudonym()("web:ann") == kept.pseudonym()("web:ann") != kept.pseudonym()("web:ben")
    assert made.made_at.read_text().strip() not in f"{made!r}{kept!r}"


def test_a_new_key_in_front_changes_no_pseudonym() -> None:
    old, new = (base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    names = [load_secret(load({"SECRET_KEY": keys})).pseudonym()("web:ann") for keys in (old, f"{new},{old}", new)]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 44])
def test_a_spoilt_secret_file_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    settings = load({"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'pot.db'}"})
    (tmp_path / "pot.key").write_bytes(content)
    with pytest.raises(SettingsError, match=r"pot\.key") as caught:
        load_secret(settings)
    assert caught.value.variable == "SECRET_KEY"
    assert (tmp_path / "pot.key").read_bytes() == content
