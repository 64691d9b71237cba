"""The contract of a site file: the fields of `NAME.toml`, and the parser.

`docs/site-files.md` lists each field. The parser raises a `SetupError` that names the file, the field and the fault.
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
"""The longest site file, in bytes."""


class SiteModel(Entry):
    """A base name that clients request; the bridge adds `-think`, `-search`, `-silent` if the page has them."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="the name that clients request")
    aliases: tuple[str, ...] = Field((), description="further names that clients have as presets")
    thinking: bool = Field(False, description="whether the name itself requests thinking")
    choice: str | tuple[str, ...] = Field(
        (), description="the page's own name of it, chosen in [model_menu]; several if that depends on the language"
    )
    wire: tuple[str, ...] = Field((), description="the values that request.model may have; empty: any")
    context: int | None = Field(None, gt=0, description="size of its context, in tokens")

    @property
    def choices(self) -> tuple[str, ...]:
        """Return all of the page's names for it."""
        return (self.choice,) if isinstance(self.choice, str) else self.choice


class SiteFile(Entry):
    """One chat website, described by data."""

    name: str = Field(pattern=NAME, description="name of the site, and of its file")
    title: str = Field(description="name of the site for people")
    evidence: str = Field("", description="where the facts come from, and when they were tried on the live site")
    start_url: str = Field(description="address of the site, without a path")
    hosts: tuple[str, ...] = Field(
        (), description="further hosts that the page needs: `*.name` for all subdomains, `name:port` without HTTPS"
    )
    new_chat_url: str = Field("/", description="path of an empty chat")
    conversation_url: str | None = Field(None, description="path of a conversation; `{id}` stands for its id")
    provisional: tuple[str, ...] = Field((), description="ids, with `*`, that the page uses until the site assigns one")
    models: tuple[SiteModel, ...] = Field(min_length=1, description="the models, the default one first")
    login: Login = Field(Login(), description="how the page shows whether the account is signed in")
    dialogs: tuple[Dialog, ...] = Field((), description="dialogs that may cover the page, which the bridge closes")
    human: tuple[Sign, ...] = Field((), description="what shows that the site asks for a human")
    notices: Selectors = Field((), description="where the page shows errors: toasts, banners")
    composer: Composer = Field(description="where the prompt goes, and how it is sent")
    thinking: Switch | None = Field(None, description="the page's switch for thinking")
    search: Switch | None = Field(None, description="the page's switch for web search")
    model_menu: Menu | None = Field(None, description="the page's choice of a model")
    upload: Upload | None = Field(None, description="how files are uploaded")
    request: Request = Field(description="the request that carries the prompt, which is checked before it is sent")
    answer: Answer = Field(description="the responses that carry the answer")
    poll: Poll | None = Field(None, description="a job whose state the page polls until it is done")
    refusals: tuple[Refusal, ...] = Field((), description="how the site refuses; the first one that matches counts")
    delete: Selectors = Field((), description="what is clicked, one after the other, to delete the open conversation")
    min_interval: float = Field(3.0, ge=0, description="seconds between two prompts of an account")
    reloads: bool = Field(False, description="whether the page reloads after the first turn of a chat")
    draws: bool = Field(False, description="whether the page reads its stream only while its window is drawn")
    private: Selectors = Field((), description="elements with people's text, which a screenshot must not show")
    grammar: tuple[str, ...] = Field((), description="words of the protocol that the page's scripts contain")
    kind: Literal["text", "image"] = Field("text", description="what the site generates")

    def is_socketio(self, call: Call) -> bool:
        """Tell whether a call uses socket.io: over its WebSocket, or by long polling until that is open."""
        is_own = call is self.request
        is_answer = call is self.answer.call or (is_own and self.answer.call is None)
        by_prompt, by_answer = self.request.body == "socketio", self.answer.framing == "socketio"
        return (is_own and by_prompt) or (is_answer and by_answer)

    @property
    def shares_channel(self) -> bool:
        """Tell whether the answer comes on a channel that was already open and that other chats share."""
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
                raise ValueError(
                    f"request.{name} is missing: without it the bridge cannot check that the switch is set"
                )
        if any(model.choice for model in self.models) and not self.model_menu:
            raise ValueError("model_menu is missing: a model has a choice")
        return self


class WrongSiteFile(SetupError):
    """The error of an invalid site file; `faults` names each wrong field, and how to fix it."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        super().__init__(f"The site file {source} is not right: {'; '.join(faults)}.")
        self.faults = tuple(faults)


def parse_site_file(text: str, source: str) -> SiteFile:
    """Parse the text of a site file; `source` names it in errors."""
    try:
        return SiteFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise WrongSiteFile(source, [f"it is not TOML: {as_line(str(error))}"]) from error
    except ValidationError as error:
        raise WrongSiteFile(source, faults_of(error, SiteFile)) from error
    except RecursionError as error:
        raise WrongSiteFile(source, ["it is nested too deeply"]) from error


def load_site_file(path: FilePath) -> SiteFile:
    """Read and parse a site file; raise `SetupError` if it cannot be read or is invalid."""
    return parse_site_file(read_site_file(path), str(path))


def read_site_file(path: FilePath) -> str:
    """Return the text of a site file; raise `SetupError` if it cannot be read."""
    try:
        if path.stat().st_size > LONGEST:
            raise SetupError(f"The site file {path} is larger than {LONGEST} bytes.")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"The site file {path} cannot be read: {error}.") from error
