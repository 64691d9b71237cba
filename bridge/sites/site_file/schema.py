"""The contract of a site file: what `NAME.toml` may hold, and how it is read.

`docs/site-files.md` lists each field. Raises `SetupError` with file, field and what is wrong with it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from bridge.browser.page_messages import SOCKET
from bridge.errors import SetupError
from bridge.origins import origin_of
from bridge.printable import as_line
from bridge.sites.site_file.conditions import Entry
from bridge.sites.site_file.field_faults import faults_of
from bridge.sites.site_file.page_schema import Composer, Dialog, Login, Menu, Selectors, Sign, Switch, Upload
from bridge.sites.site_file.wire_schema import Answer, Call, Poll, Refusal, Request

NAME = r"^[a-z][a-z0-9-]{0,31}$"
LONGEST = 1 << 20
"""Bytes of a site file."""


class SiteModel(Entry):
    """A base name that clients ask for; the bridge adds `-think`, `-search`, `-silent` where the page has them."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="the name that clients ask for")
    aliases: tuple[str, ...] = Field((), description="further names that clients are preset to")
    thinking: bool = Field(False, description="whether the name itself asks for thinking")
    choice: str | tuple[str, ...] = Field(
        (), description="the page's own name of it, chosen in [model_menu]; several where that has languages"
    )
    wire: tuple[str, ...] = Field((), description="what the request may say at request.model; empty: anything")
    context: int | None = Field(None, gt=0, description="tokens that it takes")

    @property
    def choices(self) -> tuple[str, ...]:
        """Return all names that the page has for it."""
        return (self.choice,) if isinstance(self.choice, str) else self.choice


class SiteFile(Entry):
    """One chat website as data."""

    name: str = Field(pattern=NAME, description="name of the site, and of its file")
    title: str = Field(description="what people call the site")
    evidence: str = Field("", description="where the facts come from, and when they were tried on the live site")
    start_url: str = Field(description="address of the site, without a path")
    hosts: tuple[str, ...] = Field(
        (), description="further hosts that the page needs: `*.name` for all below a name, `name:port` without HTTPS"
    )
    new_chat_url: str = Field("/", description="path of an empty chat")
    conversation_url: str | None = Field(None, description="path of a conversation; `{id}` stands for its id")
    provisional: tuple[str, ...] = Field((), description="ids, with `*`, that the page uses until the site gives one")
    models: tuple[SiteModel, ...] = Field(min_length=1, description="the models, the usual one first")
    login: Login = Field(Login(), description="how the page shows whether somebody is signed in")
    dialogs: tuple[Dialog, ...] = Field((), description="what may lie over the page, and is closed")
    human: tuple[Sign, ...] = Field((), description="what shows that the site asks for a human")
    notices: Selectors = Field((), description="where the page says what went wrong: toasts, banners")
    composer: Composer = Field(description="where the prompt goes, and how it is sent")
    thinking: Switch | None = Field(None, description="the page's switch for thinking")
    search: Switch | None = Field(None, description="the page's switch for web search")
    model_menu: Menu | None = Field(None, description="the page's choice of a model")
    upload: Upload | None = Field(None, description="how files are given to the page")
    request: Request = Field(description="the request that carries the prompt, as it is checked before it leaves")
    answer: Answer = Field(description="the responses that carry the answer")
    poll: Poll | None = Field(None, description="a job whose state the page asks for until it is done")
    refusals: tuple[Refusal, ...] = Field((), description="how the site refuses; the first one that fits counts")
    delete: Selectors = Field((), description="what is clicked, one after the other, to delete the open conversation")
    min_interval: float = Field(3.0, ge=0, description="seconds between two prompts of an account")
    reloads: bool = Field(False, description="whether the page reloads after the first turn of a chat")
    draws: bool = Field(False, description="whether the page reads its stream only while its window is drawn")
    private: Selectors = Field((), description="what holds people's words, which a picture must not show")
    grammar: tuple[str, ...] = Field((), description="words of the protocol that the page's scripts hold")
    kind: Literal["text", "image"] = Field("text", description="what the site makes")

    def is_socketio(self, call: Call) -> bool:
        """Tell whether a call goes by socket.io: over its WebSocket, or by long polling as long as there is none."""
        is_own = call is self.request
        is_answer = call is self.answer.call or (is_own and self.answer.call is None)
        by_prompt, by_answer = self.request.body == "socketio", self.answer.framing == "socketio"
        return (is_own and by_prompt) or (is_answer and by_answer)

    @property
    def shares_channel(self) -> bool:
        """Tell whether the answer comes on a channel that was open before, and that other chats have a part in."""
        calls = [call for call in (self.request, self.answer.call) if call]
        return self.answer.opened == "before" or any(call.method == SOCKET or self.is_socketio(call) for call in calls)

    @field_validator("start_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")) or origin_of(url).count("/") != 2:
            raise ValueError("give an address with http:// or https://")
        return url

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name, switch, flag in (
            ("thinking", self.thinking, self.request.thinking),
            ("search", self.search, self.request.search),
        ):
            if switch and not flag:
                raise ValueError(f"request.{name} is missing: without it nobody can tell whether the switch was taken")
        if any(model.choice for model in self.models) and not self.model_menu:
            raise ValueError("model_menu is missing: a model has a choice")
        return self


class WrongSiteFile(SetupError):
    """A site file is not right; `faults` names each field that is wrong, and what to do."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        super().__init__(f"The site file {source} is not right: {'; '.join(faults)}.")
        self.faults = tuple(faults)


def parse_site_file(text: str, source: str) -> SiteFile:
    """Return what a site file says; `source` names it in errors."""
    try:
        return SiteFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise WrongSiteFile(source, [f"it is no TOML: {as_line(str(error))}"]) from error
    except ValidationError as error:
        raise WrongSiteFile(source, faults_of(error, SiteFile)) from error
    except RecursionError as error:
        raise WrongSiteFile(source, ["it is nested too deeply"]) from error


def load_site_file(path: FilePath) -> SiteFile:
    """Read a site file."""
    return parse_site_file(read_site_file(path), str(path))


def read_site_file(path: FilePath) -> str:
    """Return the text of a site file; raise `SetupError` where there is none that can be read."""
    try:
        if path.stat().st_size > LONGEST:
            raise SetupError(f"The site file {path} is larger than {LONGEST} bytes.")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"The site file {path} cannot be read: {error}.") from error
