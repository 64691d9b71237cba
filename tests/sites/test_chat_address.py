"""The addresses of chats, as a site file writes them."""

from __future__ import annotations

import pytest

from bridge.sites.site_file.chat_address import ChatAddress
from tests.support.site_files import site_file

HOME = "https://chat.invented.test"


def address_of(conversation_url: str | None, new_chat_url: str = "/") -> ChatAddress:
    return ChatAddress(site_file(conversation_url=conversation_url, new_chat_url=new_chat_url), HOME)


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("/c/{id}", "/c/a%2Fb"),
        ("/chat/{id}?from=history", "/chat/a%2Fb?from=history"),
        ("/main?lang=zh&cid={id}", "/main?lang=zh&cid=a%2Fb"),
    ],
)
def test_an_address_of_a_conversation_is_read_as_it_is_written(template: str, url: str) -> None:
    address = address_of(template)
    assert address.of("a/b") == HOME + url
    assert address.conversation_in(HOME + url) == "a/b"


@pytest.mark.parametrize("url", ["/", "/c/", "/c/a/b", "/d/a", "/c", "/?id=a"])
def test_other_addresses_are_those_of_no_conversation(url: str) -> None:
    assert address_of("/c/{id}").conversation_in(HOME + url) is None


def test_a_new_chat_whose_address_is_like_a_conversation_s_is_none() -> None:
    address = address_of("/chats/{id}", "/chats/new")
    assert address.new_chat == f"{HOME}/chats/new"
    assert address.conversation_in(address.new_chat) is None
    assert address.conversation_in(f"{HOME}/chats/newer") == "newer"


def test_a_site_without_addresses_for_conversations_has_none() -> None:
    assert (address_of(None).of("a"), address_of(None).conversation_in(f"{HOME}/c/a")) == (None, None)
