"""The settings of the browser, and of which accounts are open in it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bridge.browser_address import BrowserAddress, browser_address
from bridge.setting_types import Hours, Seconds, Section, UserPath


def _checked(given: SecretStr) -> SecretStr:
    browser_address(given.get_secret_value())
    return given


class BrowserSettings(Section):
    """The one Chromium that holds all accounts."""

    executable: UserPath | None = Field(None, description="the Chromium to use; empty: found automatically")
    channel: Literal["chrome", "msedge"] | None = Field(
        None, description="an installed Google Chrome or Microsoft Edge in place of Chromium: `chrome` or `msedge`"
    )
    shell: bool = Field(False, description="use chromium-headless-shell, which takes less memory and has no windows")
    connect: Annotated[SecretStr, AfterValidator(_checked)] | None = Field(
        None,
        description="a remote browser: `http://HOST:PORT` of Chromium with `--remote-debugging-port`, "
        "`cdp+wss://HOST/PATH` of another debugger, or `playwright+ws://HOST:PORT/PATH` of a Playwright server; empty: "
        "the bridge starts its own",
    )
    connect_hosts: tuple[str, ...] = Field(
        (),
        description="hosts beside this machine that `connect` may name without TLS, where others may listen",
    )
    headed: bool = Field(False, description="show the browser's windows (needs a screen)")
    sandbox: bool | None = Field(None, description="Chromium's sandbox; when empty: on, except for root")
    args: tuple[str, ...] = Field((), description="further command-line switches for Chromium")
    trace: UserPath | None = Field(None, description="folder for one Playwright trace per chat; empty: none")
    record: UserPath | None = Field(None, description="folder for the raw streams of each chat; empty: none")
    record_prompts: bool = Field(False, description="also record the page's requests, which hold the prompts")
    slow_mo: float = Field(
        0, ge=0, description="milliseconds by which each step in the browser is delayed, for watching"
    )
    minimize: bool = Field(
        True,
        description="minimize an account's window while its page answers without a viewer, which halves the browser's "
        "CPU time; not in headed or traced browsers",
    )
    page_chats: int = Field(
        100, gt=0, description="chats after which an account gets a new page, because pages grow with use"
    )
    check_every: Seconds = Field(5.0, description="seconds between two health checks of browser and pages")
    call_limit: Seconds = Field(10.0, description="seconds that a health check or a short browser call may take")
    page_memory: int = Field(
        1500, ge=0, description="MiB of memory above which a health check kills a page and reopens it; 0: no limit"
    )
    page_growth: int = Field(
        200,
        ge=0,
        description="MiB of scripts and documents by which a page may grow until it is reopened, idle; 0: no limit",
    )
    page_hours: Hours = Field(24.0, description="hours after which an idle account gets a new page; 0: never")
    restart_memory: int = Field(
        1000,
        ge=0,
        description="MiB of memory of the browser without its pages above which a second one takes over; 0: no limit",
    )
    restart_hours: Hours = Field(24.0, description="hours after which a second browser takes over; 0: never")
    hosts: Literal["named", "public", "any"] = Field(
        "public",
        description="hosts that pages may reach beside the site itself: those `named` by its driver, all `public` ones "
        "(neither includes this machine or its network), or `any`",
    )

    @property
    def may_minimize(self) -> bool:
        """Tell whether windows may be minimized: not in a headed browser, nor for a trace."""
        return self.minimize and not self.shell and not self.headed and self.trace is None

    @property
    def address(self) -> BrowserAddress | None:
        """Return the address of a remote browser, or None."""
        return None if self.connect is None else browser_address(self.connect.get_secret_value())

    @model_validator(mode="after")
    def _is_one_browser(self) -> BrowserSettings:
        """Refuse settings that name more than one browser, or contradict each other."""
        address = self.address
        # a Playwright server starts the requested browser
        own = ("connect",) if address is not None and address.protocol == "cdp" else ()
        named = [name for name in ("executable", "channel", "shell", *own) if getattr(self, name)]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} each name a browser; keep one of them")
        if self.shell and self.headed:
            raise ValueError("the headless shell has no windows; leave out `shell` to see them")
        known = {name.lower() for name in self.connect_hosts}
        if address is not None and not address.is_private and address.host not in known:
            raise ValueError(
                f"connect names another machine without TLS: add {address.host} to connect_hosts if that is meant"
            )
        return self


class SleepSettings(Section):
    """When the page of an idle account is closed, until a chat needs the account again."""

    after: float = Field(
        3600.0,
        ge=0,
        allow_inf_nan=False,
        description="seconds without a chat after which an account's page is closed; 0: never",
    )
    keep_open: int = Field(1, ge=0, description="accounts, the last used ones, that stay open even if idle")
    max_open: int | None = Field(
        None, gt=0, description="accounts that may be open at a time, while others sleep; empty: no limit"
    )
    max_memory: int | None = Field(
        None,
        ge=0,
        description="MiB of memory of the browser above which idle accounts are closed; 0: no limit; empty: three "
        "quarters of the memory of the machine or its container",
    )
    refresh_hours: Hours = Field(
        24.0,
        description="hours after which a sleeping account is opened briefly, to keep its login fresh; 0: never",
    )
