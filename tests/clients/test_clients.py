"""The clients that people use do what they are used for, against a running bridge with a real Chromium."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.demo import Script
from tests.clients.running import BIN, NODE_BIN, example, node, python, run
from tests.support.live import Live, called, live

COUNTED = "One, two, three, four, five."
CALLS = "\n".join(("I will look it up.", called("weather", city="Rome"), called("weather", city="Oslo")))
RESULTS = "\n".join(
    f'<tool_result name="weather" call="{number}">\n21 degrees in {city}\n</tool_result>'
    for number, city in enumerate(("Rome", "Oslo"), 1)
)
WARM = "It is 21 degrees in both."
ADA = {"name": "Ada", "age": 36}
ANSWERS = (
    Script(text="Hello there."),
    Script(text=COUNTED, rate=50),
    *2 * (Script(text=CALLS), Script(text=WARM)),
    Script(text=f"```json\n{json.dumps(ADA)}\n```"),
)
CLIENTS = {
    "openai-python": python("openai_sdk"),
    "openai-responses": python("openai_responses"),
    "openai-agents": python("openai_agents"),
    **{f"litellm-{api}": (*python("litellm_sdk"), api) for api in ("openai", "anthropic", "ollama", "google")},
    "litellm-responses": python("litellm_responses"),
    "langchain": python("langchain"),
    "pydantic-ai": python("pydantic_ai"),
    "llm": python("llm"),
    "openai-node": node("openai_sdk"),
    "openai-responses-node": node("openai_responses"),
    "ai-sdk": node("ai_sdk"),
    "ai-sdk-openai": node("ai_sdk_openai"),
    "anthropic-python": python("anthropic_sdk"),
    "anthropic-node": node("anthropic_sdk"),
    "ai-sdk-anthropic": node("ai_sdk_anthropic"),
    "ollama-python": python("ollama_sdk"),
    "ollama-node": node("ollama_sdk"),
    "google-python": python("google_sdk"),
    "google-node": node("google_sdk"),
    "ai-sdk-google": node("ai_sdk_google"),
}


async def check_task(site: Live, home: Path, *command: str | Path, **more: str) -> None:
    """Run a client that plays the task, and check what it got, and what was typed into the page."""
    account = site.account()
    account.turns.clear()
    for script in ANSWERS:
        account.script(script)
    done = json.loads(await run(site, home, *command, **more))
    pieces = done.pop("stream")
    assert ("".join(pieces), len(pieces) > 1) == (COUNTED, True)
    assert done == {"chat": "Hello there.", "tools": WARM, "streamed_tools": WARM, "structured": ADA}
    for turn in account.turns[3:6:2]:
        assert re.search(r"\n=== Tool result \w+ ===\n", turn.prompt)
        assert turn.prompt.endswith(RESULTS)
    assert [turn.parent for turn in account.turns[2:6]] == [None, 2, None, 2]
    assert len(account.turns) == len(ANSWERS)


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_chats_streams_runs_tools_and_gets_objects(
    tmp_path: Path, chromium: Chromium, name: str
) -> None:
    async with live(tmp_path, chromium=chromium) as site:
        await check_task(site, tmp_path, *CLIENTS[name])


@pytest.mark.parametrize("name", ["anthropic", "ollama", "google"])
async def test_the_example_of_a_dialect_s_sdk_prints_the_answer(tmp_path: Path, chromium: Chromium, name: str) -> None:
    async with live(tmp_path, chromium=chromium) as site:
        site.account().script(Script(text="Hello there."))
        (tmp_path / "example.py").write_text(example(site, f"{name}_sdk.py"), "utf-8")
        assert await run(site, tmp_path, BIN / "python", "example.py") == "Hello there."


async def test_the_example_of_the_javascript_sdk_prints_the_answer(tmp_path: Path, chromium: Chromium) -> None:
    (tmp_path / "node_modules").symlink_to(NODE_BIN.parent)
    async with live(tmp_path, chromium=chromium) as site:
        site.account().script(Script(text="Hello there."))
        (tmp_path / "example.mjs").write_text(example(site, "openai_sdk.mjs"), "utf-8")
        assert await run(site, tmp_path, BIN / "node", "example.mjs") == "Hello there."
