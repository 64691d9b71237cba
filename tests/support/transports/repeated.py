"""The site's page that sends its prompt again if the site asks for a captcha."""

from __future__ import annotations

from tests.support.transports.drivers import PageDriver


class Driver(PageDriver):
    """Lets the prompt pass twice."""

    answer_paths = ("/chat/*",)
    sends = 2
