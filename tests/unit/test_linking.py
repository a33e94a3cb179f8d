"""The link of the headless flow, by the example of RFC 7636, appendix B."""

from __future__ import annotations

import pytest

from bot.openrouter.linking import SITE, challenge, code, link, site, verifier

ENTROPY = bytes.fromhex("7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b58055853848d79")
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_example_of_the_rfc() -> None:
    assert verifier(ENTROPY) == VERIFIER
    assert challenge(VERIFIER) == CHALLENGE


def test_the_link_holds_the_challenge_and_not_the_verifier() -> None:
    shown = link(VERIFIER)
    assert shown == f"https://openrouter.ai/auth?code_challenge={CHALLENGE}&code_challenge_method=S256"
    assert VERIFIER not in shown


def test_what_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        verifier(b"x" * 31)


@pytest.mark.parametrize(
    ("pasted", "found"),
    [(" abc123-XYZ \n", "abc123-XYZ"), ("`abc123`", "abc123"), ("", None), ("two words here", None), ("a" * 257, None)],
)
def test_a_pasted_code(pasted: str, found: str | None) -> None:
    assert code(pasted) == found


@pytest.mark.parametrize(
    ("api", "page"),
    [
        ("https://openrouter.ai/api/v1", SITE),
        ("http://127.0.0.1:8090/api/v1/", "http://127.0.0.1:8090/auth"),
        ("https://proxy.example/openrouter", SITE),
    ],
)
def test_the_page_stands_beside_the_api(api: str, page: str) -> None:
    assert site(api) == page
    assert link(VERIFIER, page=site(api)).startswith(f"{page}?code_challenge=")
