"""Probes, pages and static files, and that nothing outside them is served."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.contract.web.site import Site


async def test_probes(site: Site) -> None:
    for path, ready, status in (("/healthz", True, 200), ("/readyz", True, 200), ("/readyz", False, 503)):
        site.ready = ready
        async with site.client.get(site.url + path) as answer:
            assert answer.status == status
            body = await answer.json()
    assert body == {"ready": False, "parts": {"database": "locked"}}
    async with site.client.get(f"{site.url}/metrics") as answer:
        assert await answer.text() == "up 1\n"


@pytest.mark.parametrize("path", ["/", "/privacy"])
async def test_pages_hold_nothing_inline(site: Site, path: str) -> None:
    async with site.client.get(site.url + path) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        text = await answer.text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=\"/static/)", text)
    assert not re.search(r"(src|href)=\"(https?:)?//(?!openrouter\.ai)", text)


async def test_every_static_file_is_served_by_its_kind(site: Site) -> None:
    async with site.client.get(f"{site.url}/") as answer:
        named = set(re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", await answer.text()))
    assert {name.rpartition(".")[2] for name in named} >= {"js", "css", "svg"}
    kinds = {"js": "javascript", "mjs": "javascript", "css": "text/css", "svg": "image/svg+xml"}
    for path in named:
        async with site.client.get(site.url + path) as answer:
            assert answer.status == 200
            assert kinds[path.rpartition(".")[2]] in answer.content_type


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd", "/static/"]
)
async def test_nothing_outside_is_served(site: Site, path: str) -> None:
    _, port = site.url.rsplit(":", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert re.match(rb"HTTP/1.1 (403|404) ", answer)
