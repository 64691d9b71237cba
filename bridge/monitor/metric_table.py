"""All metrics of `/metrics`, as a table: the code that fills them and the documentation are made from it.

A label has few values, all of them ours: states, codes, routes, the site's own models. Text of a client, a model or a
page is never one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds, up to what a chat may wait for an account."""
STEPS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
"""Seconds, for a step of the page or of the site."""
ANSWERS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds, up to what a whole answer may take."""
CHUNKS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds, for what happens tens of times a second."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What one metric is; `labels` are the names of its labels, `buckets` the upper bounds of a histogram."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CHATS = Spec(
    "counter",
    "bridge_chats_total",
    "Chats that have ended. `result` is `stop`, `length`, `content_filter`, `cancelled` or the code of an error.",
    ("result", "model", "dialect"),
)
INPUT_TOKENS = Spec("counter", "bridge_input_tokens_total", "Tokens of the messages of ended chats.", ("model",))
OUTPUT_TOKENS = Spec(
    "counter", "bridge_output_tokens_total", "Tokens of thinking and answers of ended chats.", ("model",)
)
QUEUE_TIME = Spec(
    "histogram",
    "bridge_chat_queue_seconds",
    "From a chat's arrival until it has an account, or has waited in vain.",
    buckets=WAITS,
)
SEND_TIME = Spec(
    "histogram",
    "bridge_chat_send_seconds",
    "From the account until the page's request leaves the browser.",
    buckets=STEPS,
)
FIRST_BYTE_TIME = Spec(
    "histogram", "bridge_chat_first_byte_seconds", "From the page's request to the answer's first byte.", buckets=STEPS
)
FIRST_TOKEN_TIME = Spec(
    "histogram",
    "bridge_chat_first_token_seconds",
    "From a chat's arrival to the first token of thinking or answer.",
    ("model",),
    WAITS,
)
CHAT_TIME = Spec(
    "histogram",
    "bridge_chat_duration_seconds",
    "From a chat's arrival to its end, of those that had an account.",
    ("model",),
    ANSWERS,
)
CHUNK_DELAY = Spec(
    "histogram",
    "bridge_chunk_delay_seconds",
    "From a chunk of an answer in the page to the bridge; it grows where the machine is busy.",
    buckets=CHUNKS,
)
CHUNK_INTERVAL = Spec(
    "histogram",
    "bridge_chunk_interval_seconds",
    "Between two chunks of an answer, as the page had them.",
    buckets=CHUNKS,
)
KEY_CHATS = Spec("counter", "bridge_key_chats_total", "Chats that have ended, by their key (`metrics.keys`).", ("key",))
KEY_INPUT = Spec(
    "counter", "bridge_key_input_tokens_total", "Tokens of the messages of a key (`metrics.keys`).", ("key",)
)
KEY_OUTPUT = Spec(
    "counter",
    "bridge_key_output_tokens_total",
    "Estimated tokens of what the model wrote for a key (`metrics.keys`).",
    ("key",),
)
DRIFT = Spec("counter", "bridge_drift_total", "Parts of a site that are not what its driver knows.", ("site",))
CHANGES = Spec("counter", "bridge_account_changes_total", "Times that an account came into a state.", ("state",))
BROWSER_STARTS = Spec("counter", "bridge_browser_starts_total", "Starts of Chromium, the first one as well.")
BROWSER_LOSSES = Spec("counter", "bridge_browser_losses_total", "Times that Chromium, or what it needs, was lost.")
BROWSER_REPLACEMENTS = Spec(
    "counter",
    "bridge_browser_replacements_total",
    "Times that a new Chromium took over from one that had grown or aged.",
)
PAGE_OPENS = Spec("counter", "bridge_page_opens_total", "Times that the page of an account was opened.")
PAGE_RENEWALS = Spec(
    "counter", "bridge_page_renewals_total", "Times that a new page took the place of one that had grown."
)
REQUESTS = Spec(
    "counter",
    "bridge_http_requests_total",
    "HTTP requests that are answered. `route` is empty where nothing is served; `status` is 499 where the client left.",
    ("method", "route", "status"),
)
COUNTED = (
    *(CHATS, INPUT_TOKENS, OUTPUT_TOKENS),
    *(QUEUE_TIME, SEND_TIME, FIRST_BYTE_TIME, FIRST_TOKEN_TIME, CHAT_TIME, CHUNK_DELAY, CHUNK_INTERVAL),
    *(KEY_CHATS, KEY_INPUT, KEY_OUTPUT),
    *(DRIFT, CHANGES, BROWSER_STARTS, BROWSER_LOSSES, BROWSER_REPLACEMENTS, PAGE_OPENS, PAGE_RENEWALS, REQUESTS),
)
"""Those that facts are counted in."""

BUILD = Spec("gauge", "bridge_build_info", "Always 1; its labels say what runs.", ("version", "python"))
BROWSER = Spec(
    "gauge",
    "bridge_browser_info",
    "1 while Chromium runs; its labels say which, and where: `here`, `elsewhere`.",
    ("version", "place"),
)
BROWSER_MEMORY = Spec(
    "gauge",
    "bridge_browser_memory_bytes",
    "Memory of Chromium and Playwright's driver, where they run here.",
)
BROWSER_CPU = Spec(
    "counter",
    "bridge_browser_cpu_seconds_total",
    "CPU time of Chromium and Playwright's driver, where they run here.",
)
READY = Spec("gauge", "bridge_ready", "1 where a chat could be taken now, as `/readyz` says.")
ACCEPTING = Spec("gauge", "bridge_accepting", "1 where `/pressure` says that new chats are taken.")
PRESSURE = Spec("gauge", "bridge_pressure", "The number of `/pressure`: 0 is idle, 1 is full.")
ACCOUNTS = Spec("gauge", "bridge_accounts", "Accounts in a state.", ("state",))
ACCOUNTS_BUSY = Spec("gauge", "bridge_accounts_busy", "Accounts that answer a chat, or are in use otherwise.")
ACCOUNTS_FREE = Spec("gauge", "bridge_accounts_free", "Accounts that could take a chat, also those that sleep.")
ACCOUNTS_PAUSED = Spec("gauge", "bridge_accounts_paused", "Accounts that their operator lets take no chats.")
ACCOUNTS_HELD = Spec("gauge", "bridge_accounts_held", "Accounts with a person in their page.")
RUNNING = Spec("gauge", "bridge_chats_running", "Chats that have an account.")
WAITING = Spec("gauge", "bridge_chats_waiting", "Chats that wait for an account.")
QUEUE_LIMIT = Spec("gauge", "bridge_queue_limit", "Chats that may wait (`pool.queue_size`).")
OLDEST_WAIT = Spec("gauge", "bridge_queue_oldest_seconds", "How long the chat that came first has waited so far.")
SENDS = Spec("gauge", "bridge_sends", "Prompts sent in the last hour or day, of all accounts.", ("window",))
SENDS_LIMIT = Spec(
    "gauge",
    "bridge_sends_limit",
    "What the settings allow of them (`pool.turns_per_hour`, `pool.turns_per_day`); without a limit there is none.",
    ("window",),
)
ACCOUNT_STATE = Spec(
    "gauge", "bridge_account_state", "1 for the state that an account is in (`metrics.accounts`).", ("account", "state")
)
ACCOUNT_SENDS = Spec(
    "gauge", "bridge_account_sends", "Prompts sent by an account (`metrics.accounts`).", ("account", "window")
)
NODE = Spec("gauge", "bridge_node_info", "Always 1 on a node of a cluster; its label names the node.", ("node",))
NODE_LEAVING = Spec(
    "gauge", "bridge_node_draining", "1 where the node gives back its accounts: it is drained, or about to stop."
)
CLUSTER_NODES = Spec("gauge", "bridge_cluster_nodes", "Nodes of the cluster that this one sees, itself as well.")
UNPLACED = Spec("gauge", "bridge_cluster_accounts_unplaced", "Accounts of the cluster that no node has.")
OBSERVED = (
    *(BUILD, BROWSER, BROWSER_MEMORY, BROWSER_CPU, READY, ACCEPTING, PRESSURE),
    *(ACCOUNTS, ACCOUNTS_BUSY, ACCOUNTS_FREE, ACCOUNTS_PAUSED, ACCOUNTS_HELD),
    *(RUNNING, WAITING, QUEUE_LIMIT, OLDEST_WAIT, SENDS, SENDS_LIMIT, ACCOUNT_STATE, ACCOUNT_SENDS),
    *(NODE, NODE_LEAVING, CLUSTER_NODES, UNPLACED),
)
"""Those that are read off at each scrape."""
