"""The site's pages that do not get the answer as the response to the prompt."""

from __future__ import annotations

from bridge.browser.page_messages import PageRequest, RequestRole
from tests.support.transports.drivers import PageDriver


class Driver(PageDriver):
    """Reads event streams, polls and WebSockets, which also carry other tabs' answers."""

    answer_paths = ("/prompt", "/events", "/poll")
    socket_paths = ("/ws/*",)
    answer_is_separate = True
    heartbeats_count = False

    def role_of(self, request: PageRequest) -> RequestRole:
        """Distinguish the prompt from the requests that fetch its answer."""
        return "prompt" if request.path == "/prompt" else "answer"
