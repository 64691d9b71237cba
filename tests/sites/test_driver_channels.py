"""What a driver made of a site file says of the ways of prompt and answer."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import ContextTooLong
from bridge.settings import FileSettings
from bridge.sites.contract import Turn, contradiction
from bridge.sites.site_file.data_driver import LONGEST_PROMPT, driver_of
from bridge.worker.turn_plan import fitted
from tests.support.site_files import site_file

SOCKET = {"method": "WEBSOCKET", "path": "/socket"}
PROMPT = {"path": "/api/chat", "prompt": ["prompt"]}


def answer(framing: str, **call: str) -> dict[str, Any]:
    rules = [{"emit": "text", "value": "text"}]
    return {"framing": framing, "rules": rules, **({"call": call} if call else {})}


@pytest.mark.parametrize(
    ("request_", "answer_", "http", "sockets", "by_socket", "separate", "heartbeats"),
    [
        pytest.param(PROMPT, answer("sse"), ("/api/chat",), (), False, False, True, id="its own response"),
        pytest.param(
            PROMPT,
            answer("sse", method="GET", path="/events"),
            ("/api/chat", "/events"),
            (),
            False,
            True,
            True,
            id="another request",
        ),
        pytest.param(
            PROMPT, answer("websocket", **SOCKET), ("/api/chat",), ("/socket",), False, True, False, id="a socket"
        ),
        pytest.param(
            PROMPT,
            answer("socketio", **SOCKET),
            ("/api/chat", "/socket"),
            ("/socket",),
            False,
            True,
            False,
            id="both transports of socket.io",
        ),
        pytest.param(
            PROMPT,
            answer("socketio", method="GET", path="/poll"),
            ("/api/chat", "/poll"),
            ("/poll",),
            False,
            True,
            False,
            id="both, described by the poll",
        ),
        pytest.param(
            {**PROMPT, **SOCKET, "body": "socketio"},
            answer("socketio"),
            ("/socket",),
            ("/socket",),
            True,
            True,
            False,
            id="both for prompt and answer",
        ),
        pytest.param(
            PROMPT,
            answer("sse", method="GET", path="/events") | {"opened": "before"},
            ("/api/chat", "/events"),
            (),
            False,
            True,
            False,
            id="a stream that was open before",
        ),
        pytest.param(
            {**PROMPT, **SOCKET}, answer("websocket"), (), ("/socket",), True, True, False, id="one socket for both"
        ),
    ],
)
def test_the_channels_of_a_site_are_those_that_its_file_names(
    request_: dict[str, Any],
    answer_: dict[str, Any],
    http: tuple[str, ...],
    sockets: tuple[str, ...],
    by_socket: bool,
    separate: bool,
    heartbeats: bool,
) -> None:
    driver = driver_of(site_file(request=request_, answer=answer_))
    assert contradiction(driver) is None
    assert (driver.answer_paths, driver.socket_paths) == (http, sockets)
    assert (driver.prompt_by_socket, driver.answer_is_separate) == (by_socket, separate)
    assert driver.heartbeats_count is heartbeats


def test_a_prompt_has_a_limit_also_where_the_file_names_none() -> None:
    driver = driver_of(site_file())
    assert driver.prompt_limit == LONGEST_PROMPT
    with pytest.raises(ContextTooLong, match="4000000"):
        fitted(Turn("x" * (LONGEST_PROMPT + 1)), driver, FileSettings())
    assert driver_of(site_file(composer={"box": ["textarea"], "limit": 5_000_000})).prompt_limit == 5_000_000
