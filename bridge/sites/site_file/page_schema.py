"""The page's half of a site file: login, composer, buttons, switches."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from bridge.sites.site_file.conditions import Entry, Pattern, When
from bridge.sites.site_file.selector_syntax import checked_selector

Selector = Annotated[str, AfterValidator(checked_selector)]
"""One element, in Playwright's selector language; hidden elements do not count."""
Selectors = tuple[Selector, ...]
"""Alternatives in order of preference."""


class Sign(Entry):
    """Something that shows a state of the page; exactly one of `selector`, `url`, `storage`, `cookie`, `call`."""

    selector: Selector | None = Field(None, description="a visible element")
    text: Pattern | None = Field(None, description="what its text must contain")
    url: Pattern | None = Field(None, description="what the page's address must contain")
    storage: str | None = Field(None, description="a key of localStorage that is not empty")
    cookie: str | None = Field(None, description="a cookie of the site that is not empty")
    call: str | None = Field(None, description="path of one of the page's own calls, whose reply meets `when`")
    when: When = Field(
        {},
        description="conditions on the JSON reply to `call`; `$status` is its HTTP status, and without it a reply "
        "with 429 or 5xx shows nothing",
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        kinds = [self.selector, self.url, self.storage, self.cookie, self.call]
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give exactly one of selector, url, storage, cookie, call")
        return self


class Dialog(Entry):
    """A dialog that may cover the page, which the bridge closes: news, an age question, an advertisement."""

    selector: Selector = Field(description="the dialog, while it is shown")
    close: Selectors = Field((), description="what is clicked to close it; without one Escape is pressed")


class Login(Entry):
    """How the page shows whether the account is signed in."""

    signed_in: tuple[Sign, ...] = Field((), description="any of these proves it")
    signed_out: tuple[Sign, ...] = Field((), description="any of these disproves it, whatever else is there")
    guest: bool = Field(False, description="whether a visitor may chat without an account")
    settle: float = Field(0.0, ge=0, le=30, description="seconds within which signs of being signed out may appear")
    user_field: Selectors = Field((), description="field for the user in a plain login form, if there is one")
    password_field: Selectors = Field((), description="field for the password in that form")
    submit: Selectors = Field((), description="button that submits the form; without one Enter is pressed")
    storage_token: str | None = Field(None, description="key of localStorage for a bare token that signs in")
    cookie_token: str | None = Field(None, description="name of the cookie for a bare token that signs in")
    in_indexed_db: bool = Field(True, description="whether IndexedDB belongs to the login")


class Composer(Entry):
    """Where the prompt goes, and how it is sent."""

    box: Selectors = Field(min_length=1, description="the text box: textarea, input or contenteditable")
    ready: Selector | None = Field(None, description="an element that is there once the page accepts a prompt")
    fill: Literal["auto", "value", "insert", "paste", "breaks"] = Field(
        "auto",
        description="value sets it as a form does, insert types all of it in one step, paste makes a paste event, "
        "breaks inserts it with line breaks in place of paragraphs; auto is value for form fields, insert for known "
        "editors, breaks for others",
    )
    limit: int | None = Field(None, gt=0, description="the longest prompt, in UTF-16 units; four million without it")
    send: Literal["enter", "button"] = Field("enter", description="what sends the prompt")
    send_button: Selectors = Field((), description="the button itself, not what is around it")
    stop_button: Selectors = Field((), description="what stops an answer")
    continue_button: Selectors = Field((), description="what continues an answer that was cut at its length limit")
    new_chat: Selectors = Field((), description="what begins a new chat; without one its address is loaded")
    messages: Selectors = Field((), description="messages of the conversation; a new chat shows none")
    busy: Selectors = Field((), description="what is there only while the site answers, besides the stop button")

    @model_validator(mode="after")
    def _has_button(self) -> Self:
        if self.send == "button" and not self.send_button:
            raise ValueError("send_button is missing")
        return self


class State(Entry):
    """How an element shows that it is on; exactly one of `attribute`, `has_class`, `text`, `present`, `storage`."""

    attribute: str | None = Field(None, description="name of an attribute that has the value `on`")
    on: str = Field("true", description="value of `attribute` or `storage` while it is on")
    has_class: str | None = Field(None, description="a class that it has while it is on")
    text: Pattern | None = Field(None, description="what its text contains while it is on")
    present: bool | None = Field(None, description="whether it is on when the element is there")
    storage: str | None = Field(None, description="key of localStorage that has the value `on`")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        kinds = [self.attribute, self.has_class, self.text, self.present, self.storage]
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give exactly one of attribute, has_class, text, present, storage")
        return self


class Switch(Entry):
    """A switch of the page, or two entries of a menu of which one is chosen."""

    open: Selectors = Field((), description="what is clicked, or with `hover:` hovered over, one after the other")
    control: Selectors = Field((), description="the switch, which is clicked to change it")
    on: Selectors = Field((), description="in a menu: the entry for on")
    off: Selectors = Field((), description="in a menu: the entry for off")
    shown_by: Selectors = Field((), description="the element that shows the state; without one the switch itself")
    state: State = Field(description="what shows that it is on")
    close: Literal["", "escape", "trigger"] = Field(
        "", description="how the menu is closed: by Escape, by a second click on the first of `open`, or by itself"
    )

    @model_validator(mode="after")
    def _has_control(self) -> Self:
        if not self.control and not (self.on and self.off):
            raise ValueError("give control, or both on and off")
        return self


class Menu(Entry):
    """The page's choice of a model: an entry is matched by its whole text, since one name may begin like another."""

    open: Selectors = Field(
        min_length=1,
        description="what is clicked, one after the other, to open the menu; or a native list (`<select>`)",
    )
    entry: Selectors = Field(
        (), description="an entry of the menu; `{model}` stands for the page's name; none for a native list"
    )
    name: str = Field("", description="the part of the entry with its name, if that is not all of its text")
    shown_by: Selectors = Field((), description="the element whose text ends with the name of the chosen model")
    state: State | None = Field(None, description="how an entry shows that it is chosen")
    close: Literal["", "escape", "trigger"] = Field("", description="how the menu is closed, as for a switch")


class Upload(Entry):
    """How files are uploaded."""

    open: Selectors = Field((), description="what is clicked first, if the input appears only then")
    input: Selectors = Field(min_length=1, description="the page's own file input, visible or not")
    card: Selector = Field(description="the element that shows an attached file of the prompt")
    busy: Selector | None = Field(
        None, description="there while a file is being read; if it is never seen, a second without an open call counts"
    )
    failed: Selector | None = Field(None, description="there when a file was rejected")
    calls: tuple[str, ...] = Field(
        (),
        description="paths of the page's own calls that upload a file, `*` is anything: if one fails, the file is "
        "rejected",
    )
    remove: Selector | None = Field(None, description="button that removes a file")
