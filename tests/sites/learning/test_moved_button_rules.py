"""What certainly is a control is told from what only looks like one, by all that it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.sites.learning.moved_button_rules import begins_chat, is_specific, is_switch, sends, stops
from bridge.sites.learning.observation import Button, Element
from bridge.sites.learning.text_boxes import TextBox
from bridge.sites.site_file.file_edit import with_selectors

HOME = "https://chat.example"
NO_HANDLE: object = None


def button(*labels: str, tag: str = "button", classes: tuple[str, ...] = (), **attributes: str) -> Button:
    element = Element(tag, attributes.pop("id", ""), classes, attributes, above=(Element("form"),))
    return Button(element, 1, labels, is_beside=True)


@pytest.mark.parametrize(
    "given",
    [
        button("Send"),
        button("Send message (Enter)"),
        button("Send", "Send your message now"),
        button("Nachricht senden"),
        button("发送"),
        button("Отправить"),
        button("↑", tag="div", role="button"),
        button(classes=("chat-sendButton",)),
        button("\ue163", id="send"),
        button(type="submit"),
    ],
)
def test_a_send_button_says_so_in_its_label_or_without_one_in_its_names(given: Button) -> None:
    assert sends(given)
    assert not sends(replace(given, is_on=False))
    assert not sends(replace(given, is_beside=False))
    assert not sends(replace(given, is_plain=False))
    assert not sends(replace(given, distance=500))
    assert not sends(replace(given, link="https://chat.example/buy"))


@pytest.mark.parametrize(
    "given",
    [
        button("Send feedback"),
        button("Send", "Delete this chat"),
        button("Pay and send"),
        button("Send to a friend"),
        button("Share"),
        button("Upgrade"),
        button("Log out"),
        button("Löschen"),
        button("Gönder ve sil"),
        button("✕"),
        button("✕", id="send"),
        button("🗑", type="submit"),
        button(),
        button(classes=("share-button",)),
        button("Send", classes=("delete-send",)),
        button("Send", id="send-feedback"),
        button("Send", tag="div"),
        button("Enter"),
        button("Voice", type="submit"),
    ],
)
def test_what_says_anything_else_sends_nothing(given: Button) -> None:
    assert not sends(given)


def test_a_stop_button_stops_an_answer_and_nothing_else() -> None:
    assert all(
        map(stops, (button("Stop"), button("Stop generating"), button("停止生成"), button("■"), button("Anhalten")))
    )
    others = ("Cancel", "Cancel subscription", "Stop sharing", "Stop and delete", "Send", "●")
    assert not any(map(stops, map(button, others)))


def test_a_new_chat_is_begun_by_what_is_called_so_and_stays_on_the_site() -> None:
    assert begins_chat(button("+ New chat", "New chat Ctrl+Shift+O"), HOME)
    link = replace(button("New chat", tag="a"), link=f"{HOME}/new", is_beside=False)
    assert begins_chat(link, HOME)
    assert not begins_chat(replace(link, link="https://other.example/new"), HOME)
    others = ("Clear chat", "Delete and start a new chat", "New chat with Pro", "Clear history")
    assert not any(begins_chat(button(label), HOME) for label in others)


def test_a_switch_is_called_as_such_in_whole() -> None:
    assert is_switch(button("DeepThink (R1)"), "thinking")
    assert is_switch(button("Search", id="web-search"), "search")
    assert not is_switch(button("Search chats"), "search")
    assert not is_switch(button("Research plan: upgrade"), "search")
    assert not is_switch(button("Think", id="share-thinking"), "thinking")


def test_only_selectors_that_say_what_a_control_is_are_kept() -> None:
    kept = ("#send", 'button[aria-label="Send"]', 'div[role="button"]:text-is("↑")', "button.send-btn")
    assert all(is_specific(one, "send") for one in kept)
    assert not any(is_specific(one, "send") for one in ("button.primary", 'button[type="button"]', "button"))


def box(*labels: str, element: Element | None = None, is_elsewhere: bool = False) -> TextBox:
    return TextBox(NO_HANDLE, element or Element("textarea"), True, labels, is_elsewhere)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        box("Ask anything, or search the web"),
        box("Comment puis-je vous aider ?"),
        box("Message the model"),
        box("输入消息", element=Element("div", classes=("chat-input-editor",), attributes={"role": "textbox"})),
    ],
)
def test_a_composer_says_that_it_takes_prompts(given: TextBox) -> None:
    assert given.takes_prompts
    assert not given._replace(is_elsewhere=True).takes_prompts
    assert not given._replace(is_large=False).takes_prompts


@pytest.mark.parametrize(
    "given",
    [
        box(),
        box("Search chats"),
        box("搜索消息"),
        box("Your opinion"),
        box("Ask us anything: feedback is welcome"),
        box("Message to support"),
        box("Type here", "Custom instructions of the chat"),
        box("Message", element=Element("textarea", attributes={"name": "feedback"})),
        box("Chat", element=Element("input", attributes={"name": "username"})),
    ],
)
def test_a_text_box_for_something_else_or_for_nobody_knows_what_takes_no_prompts(given: TextBox) -> None:
    assert not given.takes_prompts


def test_a_site_file_that_is_edited_keeps_its_comments_and_its_earlier_selectors() -> None:
    text = '[composer]\nbox = ["#a"] # where one types\n\n[thinking]\ncontrol = [".b"]\n'
    healed = with_selectors(text, {"composer.box": ['x[y="\\"z"]', "#a"], "composer.new_chat": ["#n"]})
    assert 'box = ["#a", "x[y=\\"\\\\\\"z\\"]"] # where one types' in healed
    assert 'new_chat = ["#n"]' in healed
    assert healed.endswith('[thinking]\ncontrol = [".b"]\n')
