"""A page of socket.io is driven by one site file, whether it polls, has a WebSocket, or moves to one in mid-answer."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from bridge.browser.browser import Chromium
from tests.support.small_site import bridged, changed
from tests.support.socketio_site import FILE, How, SocketioSite, answer_to, socketio_site
from tests.support.waiting import until

PROMPT = 'Größe "数"\nsecond line'
PROMPTS_BY: dict[How, str] = {"polls": "polling", "moves": "polling", "refused": "polling", "socket": "socket"}
ANSWERS_BY: dict[How, set[str]] = {
    "polls": {"polling"},
    "moves": {"polling", "socket"},
    "refused": {"polling"},
    "socket": {"socket"},
}


def carried(site: SocketioSite) -> tuple[set[str], set[str]]:
    """Return by which transports prompts came and answers left."""
    return {transport for _, transport in site.prompts}, set(site.answered)


@pytest.mark.parametrize("how", PROMPTS_BY)
async def test_prompt_and_answer_are_whole_by_polling_by_the_socket_and_across_the_move(
    tmp_path: Path, chromium: Chromium, how: How
) -> None:
    async with socketio_site(how) as site, bridged(tmp_path, site, chromium, FILE) as run:
        for prompt in (PROMPT, "and once more"):
            assert await run.ask(prompt) == answer_to(prompt)
        assert [text for text, _ in site.prompts] == [PROMPT, "and once more"]
        assert carried(site) == ({PROMPTS_BY[how]}, ANSWERS_BY[how])


@pytest.mark.parametrize("how", ["polls", "socket"])
async def test_an_end_that_belongs_to_what_was_before_the_prompt_ends_no_answer(
    tmp_path: Path, chromium: Chromium, how: How
) -> None:
    async with socketio_site(how) as site, bridged(tmp_path, site, chromium, FILE) as run:
        site.ends_late = True
        assert await run.ask(PROMPT) == answer_to(PROMPT)


@pytest.mark.parametrize("how", ["polls", "moves"])
async def test_a_client_that_leaves_has_the_answer_stopped_and_the_next_chat_is_whole(
    tmp_path: Path, chromium: Chromium, how: How
) -> None:
    async with socketio_site(how) as site, bridged(tmp_path, site, chromium, FILE) as run:
        site.hangs = True
        stream = await run.client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": PROMPT}], stream=True
        )
        said = await anext(aiter(stream))
        assert answer_to(PROMPT).startswith(said.choices[0].delta.content or "")
        await stream.close()
        await until(lambda: site.stops == 1)
        site.hangs = False
        assert await run.ask("And now?") == answer_to("And now?")


async def test_what_a_page_posts_beside_the_prompt_and_nobody_has_described_does_not_leave(
    tmp_path: Path, chromium: Chromium
) -> None:
    file = changed(('in = ["typing", "stop"]', 'in = ["stop"]'), file=FILE)
    async with socketio_site("polls") as site, bridged(tmp_path, site, chromium, file) as run:
        with pytest.raises(openai.APIStatusError, match=r"an unexpected request: POST /socket\.io/"):
            await run.ask(PROMPT)
        assert site.prompts == []
