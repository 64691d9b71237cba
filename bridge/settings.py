"""All settings, as frozen sections with working defaults, from `bridge.toml` and overriding `BRIDGE_*` variables.

A setting `port` of the section `server` is `[server] port = ...` in the file and `BRIDGE_SERVER_PORT` in the
environment. Field descriptions are the documentation: `bridge serve --help` and `docs/settings.md` show them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import AfterValidator, Field, SecretStr, model_validator

from bridge.browser_settings import BrowserSettings as BrowserSettings
from bridge.browser_settings import SleepSettings as SleepSettings
from bridge.cluster_settings import ClusterSettings as ClusterSettings
from bridge.data_folders import DataFolders as DataFolders
from bridge.data_folders import ProfileKeySource as ProfileKeySource
from bridge.origins import is_loopback, site_address, web_origin
from bridge.page_settings import FileSettings as FileSettings
from bridge.page_settings import PageSettings as PageSettings
from bridge.page_settings import TurnSettings as TurnSettings
from bridge.setting_types import MEBIBYTE as MEBIBYTE
from bridge.setting_types import Seconds, UserPath
from bridge.setting_types import Section as Section

LOOPBACK = "127.0.0.1"


class ServerSettings(Section):
    """The addresses and limits of the endpoint."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    no_auth: bool = Field(False, description="require no API key; only allowed on a loopback address")
    allowed_hosts: tuple[str, ...] = Field((), description="further host names by which clients may reach the endpoint")
    tls_certificate: UserPath | None = Field(
        None, description="PEM file of a certificate with its chain, for HTTPS; empty: HTTP"
    )
    tls_key: UserPath | None = Field(
        None, description="PEM file of the certificate's key, mode 0600; empty: in the file of the certificate"
    )
    max_body: int = Field(32 * MEBIBYTE, gt=0, description="largest request body in bytes")
    keep_alive: Seconds = Field(15.0, description="seconds of silence after which a stream gets a comment line")
    headers_after: Seconds = Field(
        10.0, description="seconds after which a stream without an event gets its headers and a comment"
    )
    unread: Seconds = Field(
        60.0, description="seconds that a client may leave a full connection unread before it counts as gone"
    )
    max_connections: int = Field(
        512, gt=0, description="connections at a time; fewer where the system's limit on open files is low"
    )
    header_timeout: Seconds = Field(20.0, description="seconds until the headers of a request must have arrived")
    body_timeout: Seconds = Field(
        30.0, description="seconds that a body may take to arrive, and one more for each 16 KiB of it"
    )
    idle_timeout: Seconds = Field(75.0, description="seconds after which a connection without a request is closed")
    drain: Seconds = Field(30.0, description="seconds that running chats have to end when the bridge stops")
    ollama_port: int | None = Field(
        None, ge=1, le=65535, description="second port, such as 11434 for clients with Ollama's fixed port; empty: none"
    )
    ollama_no_auth: bool = Field(
        False, description="require no API key on `ollama_port`, which then listens only for this machine"
    )

    @model_validator(mode="after")
    def _has_two_ports(self) -> ServerSettings:
        """Refuse the same port for both."""
        if self.ollama_port == self.port:
            raise ValueError("ollama_port is a second port; choose another one than port")
        return self

    @property
    def ollama_host(self) -> str:
        """Return the address of the second port: without a key, only this machine's."""
        return LOOPBACK if self.ollama_no_auth and not is_loopback(self.host.strip("[]")) else self.host


class PoolSettings(Section):
    """The queue, and the pace at which accounts send."""

    queue_size: int = Field(64, ge=0, description="chats that may wait for an account")
    queue_limit: Seconds = Field(120.0, description="seconds that a chat may wait for an account")
    rest: Seconds = Field(
        90.0, description="seconds that an account is left alone after the site refused it as too frequent"
    )
    turns_per_hour: int | None = Field(
        None, gt=0, description="prompts that an account may send in an hour; empty: no limit"
    )
    turns_per_day: int | None = Field(
        None, gt=0, description="prompts that an account may send in a day; empty: no limit"
    )
    min_interval: float | None = Field(
        None, ge=0, description="seconds between two prompts of an account, jittered; empty: as the site's driver says"
    )


class ConversationSettings(Section):
    """Continuing the site's own conversations, so that only new messages are sent."""

    enabled: bool = Field(True, description="continue the site's conversation when a client sends a known history")
    max_age: float = Field(30.0, gt=0, description="days after which an unused conversation is forgotten")
    wait: float = Field(
        10.0, ge=0, description="seconds to wait for a conversation's account before another one is used"
    )
    delete_after: float | None = Field(
        None,
        gt=0,
        description="days after which an unused conversation of the bridge is deleted on the site; empty: never",
    )
    system_changes: Literal["tell", "restart"] = Field(
        "tell",
        description="when a known history's system text changes: tell it in the conversation, or start a new one",
    )


class ApiSettings(Section):
    """How the endpoint handles requests and answers."""

    hold_text: int = Field(
        400, ge=0, description="characters of an answer held back while a tool call may follow, when tools are given"
    )
    retries: int = Field(
        1, ge=0, le=3, description="how many times the model is asked again for an unusable tool call or JSON"
    )
    max_choices: int = Field(4, ge=1, le=64, description="largest `n`: chats that one request may take at a time")
    citations: Literal["link", "mark"] = Field(
        "link", description="handling of `[citation:1]` in answers: a link to the source, or unchanged"
    )
    aliases: dict[str, str] = Field({}, description="aliases of models, each with the model's name")
    allowed_origins: tuple[Annotated[str, AfterValidator(web_origin)], ...] = Field(
        (), description="web origins whose pages may call the endpoint, such as `https://chat.example.com`"
    )


class TokenSettings(Section):
    """Logins that clients send, each used as a temporary account."""

    enabled: bool = Field(
        False, description="accept userTokens of the site in place of a key, and answer `POST /token/check`"
    )
    max_accounts: int = Field(4, ge=1, le=100, description="temporary accounts at a time")
    idle: Seconds = Field(900.0, description="seconds after which an unused temporary account is closed")
    max_body: int = Field(MEBIBYTE, gt=0, description="largest request body in bytes without a key")
    site: str = Field("deepseek", description="site that the tokens are for")
    url: Annotated[str, AfterValidator(site_address)] | None = Field(
        None, description="the site's address; empty: its usual one"
    )


class ResponseSettings(Section):
    """Responses and conversations that clients ask to store."""

    keep: bool = Field(True, description="store responses, encrypted, unless their client sends `store: false`")
    max_age: float = Field(30.0, gt=0, description="days after which an unused response is deleted")
    max_bytes: int = Field(256 * MEBIBYTE, gt=0, description="bytes that all stored responses may have together")


class MetricsSettings(Section):
    """Metrics for Prometheus at `/metrics`."""

    enabled: bool = Field(True, description="serve `/metrics`")
    access: Literal["key", "loopback", "anybody"] = Field(
        "key",
        description="who may read them: callers with an admin key or one with the scope `metrics` (`key`), also "
        "programs on this machine without a key (`loopback`), or `anybody`",
    )
    accounts: bool = Field(False, description="list each account in the metrics, beside the totals")
    keys: bool = Field(False, description="list each key in the metrics, with its chats and tokens")


class UsageSettings(Section):
    """The record of each key's usage."""

    max_age: float = Field(400.0, ge=2, le=3650, description="days for which the usage of keys is kept")


class TraceSettings(Section):
    """Traces of chats by OpenTelemetry (the extra `otel`)."""

    enabled: bool = Field(
        False,
        description="send a trace of each chat by OTLP over HTTP, without its texts; the variables `OTEL_*` say where",
    )


class DashboardSettings(Section):
    """The operator's page at `/dashboard`, and the admin API behind it."""

    enabled: bool = Field(True, description="serve the dashboard and the admin API")
    session_hours: float = Field(
        12.0, gt=0, le=24 * 365, description="hours after which the operator must sign in again"
    )
    history: bool = Field(False, description="store the texts of chats, encrypted, for the dashboard")
    history_days: float = Field(7.0, gt=0, le=3650, description="days after which kept texts are deleted")
    history_chats: int = Field(1000, gt=0, le=100_000, description="most chats whose texts are kept")


class LogSettings(Section):
    """The log on standard error."""

    level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="lowest level written")
    json_lines: bool = Field(False, description="one JSON object per line instead of text for humans")


class Settings(Section):
    """The whole configuration, read once at start; `settings_sources` reads it from the file and the environment."""

    profiles: UserPath = Field(Path("profiles"), description="folder of the captured logins")
    profile_key_file: UserPath | None = Field(
        None, description="age identity that opens the profiles, mode 0600; empty: made in the `config` folder"
    )
    profile_key: SecretStr | None = Field(None, description="the same as text; `profile_key_file` takes precedence")
    config: UserPath = Field(
        Path(platformdirs.user_config_dir("bridge")),
        description="folder of the API keys, the profile key, and your own site files (`sites`)",
    )
    server: ServerSettings = ServerSettings()
    browser: BrowserSettings = BrowserSettings()
    sleep: SleepSettings = SleepSettings()
    pool: PoolSettings = PoolSettings()
    turn: TurnSettings = TurnSettings()
    conversations: ConversationSettings = ConversationSettings()
    api: ApiSettings = ApiSettings()
    tokens: TokenSettings = TokenSettings()
    files: FileSettings = FileSettings()
    responses: ResponseSettings = ResponseSettings()
    metrics: MetricsSettings = MetricsSettings()
    usage: UsageSettings = UsageSettings()
    traces: TraceSettings = TraceSettings()
    dashboard: DashboardSettings = DashboardSettings()
    cluster: ClusterSettings = ClusterSettings()
    log: LogSettings = LogSettings()

    @property
    def folders(self) -> DataFolders:
        """Return the folders of the data that survives a restart."""
        return DataFolders(self.config, self.profiles, self.files.folder or self.config / "files")

    @property
    def key_source(self) -> ProfileKeySource:
        """Return the source of the profile key: a named file, a text, or the bridge's own file."""
        if self.profile_key_file is not None:
            return ProfileKeySource(None, self.profile_key_file, is_made=False)
        return ProfileKeySource(self.profile_key or None, self.config / "profile.key", is_made=True)

    @property
    def pages(self) -> PageSettings:
        """Return the settings for accounts' pages."""
        return PageSettings(self.browser, self.turn, self.files, self.folders)
