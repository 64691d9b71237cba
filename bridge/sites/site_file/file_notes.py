"""Says what a site file leaves out, and what the bridge cannot do therefore."""

from __future__ import annotations

from bridge.sites.site_file.schema import SiteFile


def notes_of(site: SiteFile) -> list[str]:
    """Return a line for each thing that is left out and makes a difference."""
    left_out = {**_of_page(site), **_of_wire(site)}
    return [f"{field}: {so}" for field, (is_there, so) in left_out.items() if not is_there]


def _of_page(site: SiteFile) -> dict[str, tuple[object, str]]:
    """Return of each part whether it is there, and what follows where it is not."""
    composer, login = site.composer, site.login
    return {
        "composer.stop_button": (
            composer.stop_button,
            "an answer that nobody reads any more is stopped by loading the page again",
        ),
        "composer.messages": (composer.messages, "a new chat is taken for empty by its address alone"),
        "login.signed_out": (login.signed_out, "being signed out is noticed by the lack of login.signed_in, if at all"),
        "login.signed_in": (login.signed_in, "nothing proves that an account is signed in before its first prompt"),
        "human": (site.human, "a check that wants a person is not told from a page that has changed"),
        "notices": (site.notices, "what the page tells its user is not passed on"),
        "conversation_url": (site.conversation_url, "each turn begins a new conversation with the whole history"),
        "thinking": (site.thinking, "its models take no -think"),
        "search": (site.search, "its models take no -search"),
        "upload": (site.upload, "its models take no files"),
        "delete": (site.delete, "the bridge cannot delete conversations there"),
        "grammar": (site.grammar, "`bridge doctor --site` cannot tell whether the page still speaks this protocol"),
    }


def _of_wire(site: SiteFile) -> dict[str, tuple[object, str]]:
    request, answer = site.request, site.answer
    emitted = {rule.emit for rule in answer.rules}
    has_end = "finish" in emitted or answer.ends_on_close or answer.end_markers or site.poll
    return {
        "request.conversation": (
            request.conversation,
            "the request is not checked for the conversation that it goes to",
        ),
        "request.model": (
            request.model or not site.model_menu,
            "a page that takes another model by itself is not caught",
        ),
        "request.files": (
            request.files or not site.upload,
            "a prompt that carries other files than its own is not caught",
        ),
        'a rule with emit = "conversation"': (
            request.conversation or "conversation" in emitted,
            "no conversation goes on in the site's own",
        ),
        'a rule with emit = "finish"': (has_end, "an answer never ends in good order"),
        "refusals": (site.refusals, "why the site refuses is known by its HTTP status alone"),
        "evidence": (site.evidence, "nobody can tell how far this file can be trusted"),
    }
