"""The site's pages that get the answer as the response to the prompt."""

from __future__ import annotations

from bridge.browser.page_messages import PageRequest, RequestRole
from tests.support.transports.drivers import PageDriver, document_of


class Driver(PageDriver):
    """Reads the response to the prompt, but not to a request for a title."""

    answer_paths = ("/chat/*",)
    answer_hosts = hosts = ("localhost",)

    def role_of(self, request: PageRequest) -> RequestRole:
        """Distinguish the prompt from the request for a title."""
        return "other" if document_of(request.body).get("stream") is False else "prompt"
