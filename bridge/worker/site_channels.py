"""Translates a driver's facts of its site for the interceptor."""

from __future__ import annotations

from bridge.browser.channels import Channels
from bridge.sites.contract import SiteDriver


def channels_of(driver: SiteDriver) -> Channels:
    """Return the addresses of the page's prompts and answers."""
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
