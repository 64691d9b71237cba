"""Lists what a site file leaves out, and what the bridge cannot do without it."""

from __future__ import annotations

from bridge.sites.site_file.schema import SiteFile


def notes_of(site: SiteFile) -> list[str]:
    """Return a line for each missing field that makes a difference."""
    fields = {**_of_page(site), **_of_wire(site)}
    return [f"{field}: {effect}" for field, (is_there, effect) in fields.items() if not is_there]


def _of_page(site: SiteFile) -> dict[str, tuple[object, str]]:
    """Return for each field whether it is there, and the effect if it is not."""
    composer, login = site.composer, site.login
    return {
        "composer.stop_button": (
            composer.stop_button,
            "the bridge reloads the page to stop an abandoned answer",
        ),
        "composer.messages": (composer.messages, "only its address shows that a new chat is empty"),
        "login.signed_out": (login.signed_out, "only a missing login.signed_in shows that an account is signed out"),
        "login.signed_in": (login.signed_in, "nothing proves that an account is signed in before its first prompt"),
        "human": (site.human, "the bridge cannot tell a check for a human from a page that has changed"),
        "notices": (site.notices, "messages of the page to its user are not passed on"),
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
            "the bridge does not check which conversation the request goes to",
        ),
        "request.model": (
            request.model or not site.model_menu,
            "the bridge does not notice if the page sends another model",
        ),
        "request.files": (
            request.files or not site.upload,
            "the bridge does not notice if a prompt carries the wrong files",
        ),
        'a rule with emit = "conversation"': (
            request.conversation or "conversation" in emitted,
            "no chat continues in the site's own conversation",
        ),
        'a rule with emit = "finish"': (has_end, "an answer never ends properly"),
        "refusals": (site.refusals, "only the HTTP status shows why the site refuses"),
        "evidence": (site.evidence, "readers cannot tell how far to trust this file"),
    }
