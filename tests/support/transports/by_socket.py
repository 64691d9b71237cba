"""The site's pages that send their prompt over a WebSocket."""

from __future__ import annotations

from bridge.browser.page_messages import PageRequest, RequestRole
from tests.support.transports.drivers import PageDriver, document_of


class Driver(PageDriver):
    """Lets pings pass, and checks the prompt."""

    answer_paths = ()
    socket_paths = ("/ws/*",)
    prompt_by_socket = True
    answer_is_separate = True
    heartbeats_count = False

    def role_of(self, request: PageRequest) -> RequestRole:
        """Distinguish the prompt from a ping."""
        return "prompt" if "prompt" in document_of(request.body) else "other"
