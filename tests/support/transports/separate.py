"""The site's pages whose answer does not come as the response to the prompt."""

from __future__ import annotations

from bridge.browser.page_messages import PageRequest, RequestRole
from tests.support.transports.drivers import PageDriver


class Driver(PageDriver):
    """Reads what comes by events, polls and WebSockets, which other tabs have a part in."""

    answer_paths = ("/prompt", "/events", "/poll")
    socket_paths = ("/ws/*",)
    answer_is_separate = True
    heartbeats_count = False

    def role_of(self, request: PageRequest) -> RequestRole:
        """Tell the prompt from the requests that bring its answer."""
        return "prompt" if request.path == "/prompt" else "answer"
