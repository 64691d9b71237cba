"""What the interceptor must know of a site, as its driver says it."""

from __future__ import annotations

from bridge.browser.channels import Channels
from bridge.sites.contract import SiteDriver


def channels_of(driver: SiteDriver) -> Channels:
    """Return where the page's prompts go and its answers come from."""
    return Channels(
        origin=driver.origin,
        paths=driver.answer_paths,
        hosts=driver.answer_hosts,
        sockets=driver.socket_paths,
        holds_sockets=driver.prompt_by_socket,
        is_separate=driver.answer_is_separate,
        heartbeats_count=driver.heartbeats_count,
        resumes=driver.answer_resumes,
        sends=driver.sends,
        role_of=driver.role_of,
    )
