"""What blocks may be: the sizes Slack holds apps to."""

from __future__ import annotations

from typing import Any

from tests.fakes.slack.world import Json, World

MARKDOWN_MAX = 12_000
PAYLOAD_MAX = 13_200
KNOWN = {
    "markdown",
    "section",
    "context",
    "context_actions",
    "actions",
    "header",
    "divider",
    "input",
    "alert",
    "task_card",
    "plan",
    "card",
    "table",
    "image",
}
IN_VIEWS = {"section", "context", "actions", "header", "divider", "input", "image"}
"""What modals and Home tabs take."""
ALT_MAX = 2_000


def fault_in(blocks: list[Json], world: World, *, view: bool = False, sharing: bool = False) -> str | None:
    """The error Slack gives for these blocks, None if they will do.

    `view`: of a modal or a Home tab. `sharing`: where they are shown, files in them are shared by that; elsewhere
    nobody could open one.
    """
    if len(blocks) > (100 if view else 50):
        return "invalid_blocks"
    if view and any(block.get("type") not in IN_VIEWS for block in blocks):
        return "invalid_blocks"
    for image in (block for block in blocks if block.get("type") == "image"):
        file = image.get("slack_file", {}).get("id", "")
        if not (sharing and world.ready(file) and world.hosted[file].type.startswith("image/")):
            return "invalid_blocks"
        if not 0 < len(image.get("alt_text", "")) <= ALT_MAX:
            return "invalid_blocks"
    if sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown") > MARKDOWN_MAX:
        return "msg_too_long"
    if len(str(blocks)) > PAYLOAD_MAX + 4_000 and not view:
        return "msg_blocks_too_long"
    if any(not _fits(block) for block in blocks):
        return "invalid_blocks"
    return None


def _fits(block: Json) -> bool:
    kind = block.get("type")
    if kind not in KNOWN or len(block.get("block_id", "")) > 255:
        return False
    match kind:
        case "section":
            fields = block.get("fields", [])
            text = block.get("text", {}).get("text", "")
            size = len(text) <= 3000 and len(fields) <= 10 and all(len(one["text"]) <= 2000 for one in fields)
            return size and bool(text or fields) and _element(block.get("accessory"))
        case "header":
            return 0 < len(block["text"]["text"]) <= 150 and block["text"]["type"] == "plain_text"
        case "context":
            return 0 < len(block["elements"]) <= 10 and all(one["text"] for one in block["elements"])
        case "context_actions":
            return 0 < len(block["elements"]) <= 5
        case "actions":
            return 0 < len(block["elements"]) <= 25 and all(_element(one) for one in block["elements"])
        case "markdown":
            return bool(block.get("text"))
        case "alert":
            levels = ("default", "info", "warning", "error", "success")
            return block.get("level", "default") in levels and bool(block["text"]["text"])
        case "input":
            return bool(block["label"]["text"]) and _element(block["element"])
    return True


def share(blocks: list[Json], world: World, channel: str) -> None:
    """Who is in the channel can open the files in the blocks from now on."""
    for block in blocks:
        if block.get("type") == "image":
            world.hosted[block["slack_file"]["id"]].shared_in.add(channel)


def _element(element: Any) -> bool:
    if element is None:
        return True
    if len(element.get("action_id", "")) > 255 or len(element.get("value", "")) > 2000:
        return False
    if "options" in element:
        named = [one["text"]["text"] for one in element["options"]]
        return 0 < len(named) <= 100 and all(0 < len(name) <= 75 for name in named)
    return element["type"] != "button" or 0 < len(element["text"]["text"]) <= 75
