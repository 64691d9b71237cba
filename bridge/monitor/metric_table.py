"""The table of all metrics of `/metrics`, from which the collectors and the documentation are generated.

Labels have few values, all defined by the bridge: states, codes, routes, the site's models; never text of a client, a
model or a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds, up to the longest wait for an account."""
STEPS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
"""Seconds, for one step of the page or of the site."""
ANSWERS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds, up to the longest whole answer."""
CHUNKS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds, for events that happen tens of times a second."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The definition of a metric; `buckets` are the upper bounds of a histogram."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CHATS = Spec(
    "counter",
    "bridge_chats_total",
    "Chats that have ended. `result` is `stop`, `length`, `content_filter`, `cancelled` or an error code.",
    ("result", "model", "dialect"),
)
INPUT_TOKENS = Spec("counter", "bridge_input_tokens_total", "Tokens of the messages of ended chats.", ("model",))
OUTPUT_TOKENS = Spec(
    "counter", "bridge_output_tokens_total", "Tokens of thinking and answers of ended chats.", ("model",)
)
QUEUE_TIME = Spec(
    "histogram",
    "bridge_chat_queue_seconds",
    "From a chat's arrival until it has an account or gives up waiting.",
    buckets=WAITS,
)
SEND_TIME = Spec(
    "histogram",
    "bridge_chat_send_seconds",
    "From getting an account until the page's request leaves the browser.",
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
    "From a chat's arrival to its end, for chats that had an account.",
    ("model",),
    ANSWERS,
)
CHUNK_DELAY = Spec(
    "histogram",
    "bridge_chunk_delay_seconds",
    "From the arrival of a chunk in the page to its arrival in the bridge; grows when the machine is busy.",
    buckets=CHUNKS,
)
CHUNK_INTERVAL = Spec(
    "histogram",
    "bridge_chunk_interval_seconds",
    "Between the arrivals of two chunks of an answer in the page.",
    buckets=CHUNKS,
)
KEY_CHATS = Spec("counter", "bridge_key_chats_total", "Chats that have ended, by key (`metrics.keys`).", ("key",))
KEY_INPUT = Spec(
    "counter",
    "bridge_key_input_tokens_total",
    "Tokens of the messages of ended chats, by key (`metrics.keys`).",
    ("key",),
)
KEY_OUTPUT = Spec(
    "counter",
    "bridge_key_output_tokens_total",
    "Tokens of thinking and answers of ended chats, by key (`metrics.keys`).",
    ("key",),
)
DRIFT = Spec("counter", "bridge_drift_total", "Parts of a site that its driver does not recognize.", ("site",))
CHANGES = Spec("counter", "bridge_account_changes_total", "Times that an account entered a state.", ("state",))
BROWSER_STARTS = Spec("counter", "bridge_browser_starts_total", "Starts of Chromium, including the first.")
BROWSER_LOSSES = Spec(
    "counter", "bridge_browser_losses_total", "Times that Chromium or a process that it needs was lost."
)
BROWSER_REPLACEMENTS = Spec(
    "counter",
    "bridge_browser_replacements_total",
    "Times that a new Chromium replaced one that was too large or too old.",
)
PAGE_OPENS = Spec("counter", "bridge_page_opens_total", "Times that the page of an account was opened.")
PAGE_RENEWALS = Spec(
    "counter", "bridge_page_renewals_total", "Times that a new page replaced one that had grown too large."
)
REQUESTS = Spec(
    "counter",
    "bridge_http_requests_total",
    "Answered HTTP requests. `route` is empty for unknown paths; `status` is 499 if the client disconnected.",
    ("method", "route", "status"),
)
COUNTED = (
    *(CHATS, INPUT_TOKENS, OUTPUT_TOKENS),
    *(QUEUE_TIME, SEND_TIME, FIRST_BYTE_TIME, FIRST_TOKEN_TIME, CHAT_TIME, CHUNK_DELAY, CHUNK_INTERVAL),
    *(KEY_CHATS, KEY_INPUT, KEY_OUTPUT),
    *(DRIFT, CHANGES, BROWSER_STARTS, BROWSER_LOSSES, BROWSER_REPLACEMENTS, PAGE_OPENS, PAGE_RENEWALS, REQUESTS),
)
"""The metrics that count facts."""

BUILD = Spec("gauge", "bridge_build_info", "Always 1; the labels are the versions.", ("version", "python"))
BROWSER = Spec(
    "gauge",
    "bridge_browser_info",
    "1 while Chromium runs; the labels are its version and its place: `here` or `elsewhere`.",
    ("version", "place"),
)
BROWSER_MEMORY = Spec(
    "gauge",
    "bridge_browser_memory_bytes",
    "Memory of Chromium and Playwright's driver, if they run here.",
)
BROWSER_CPU = Spec(
    "counter",
    "bridge_browser_cpu_seconds_total",
    "CPU time of Chromium and Playwright's driver, if they run here.",
)
READY = Spec("gauge", "bridge_ready", "1 if the bridge can take a chat now, as `/readyz` reports.")
ACCEPTING = Spec("gauge", "bridge_accepting", "1 if the bridge accepts new chats, as `/pressure` reports.")
PRESSURE = Spec("gauge", "bridge_pressure", "The pressure that `/pressure` reports: 0 is idle, 1 is full.")
ACCOUNTS = Spec("gauge", "bridge_accounts", "Accounts in a state.", ("state",))
ACCOUNTS_BUSY = Spec("gauge", "bridge_accounts_busy", "Accounts that answer a chat or are otherwise in use.")
ACCOUNTS_FREE = Spec("gauge", "bridge_accounts_free", "Accounts that can take a chat, including sleeping ones.")
ACCOUNTS_PAUSED = Spec("gauge", "bridge_accounts_paused", "Accounts that the operator has paused.")
ACCOUNTS_HELD = Spec("gauge", "bridge_accounts_held", "Accounts whose page a person holds in the live view.")
RUNNING = Spec("gauge", "bridge_chats_running", "Chats that have an account.")
WAITING = Spec("gauge", "bridge_chats_waiting", "Chats that wait for an account.")
QUEUE_LIMIT = Spec("gauge", "bridge_queue_limit", "Chats that may wait (`pool.queue_size`).")
OLDEST_WAIT = Spec("gauge", "bridge_queue_oldest_seconds", "How long the oldest waiting chat has waited.")
SENDS = Spec("gauge", "bridge_sends", "Prompts sent in the last hour or day by all accounts.", ("window",))
SENDS_LIMIT = Spec(
    "gauge",
    "bridge_sends_limit",
    "Prompts that the settings allow (`pool.turns_per_hour`, `pool.turns_per_day`); missing without a limit.",
    ("window",),
)
ACCOUNT_STATE = Spec(
    "gauge", "bridge_account_state", "1 for the current state of an account (`metrics.accounts`).", ("account", "state")
)
ACCOUNT_SENDS = Spec(
    "gauge",
    "bridge_account_sends",
    "Prompts sent by an account in the last hour or day (`metrics.accounts`).",
    ("account", "window"),
)
NODE = Spec("gauge", "bridge_node_info", "Always 1 on a node of a cluster; the label names the node.", ("node",))
NODE_LEAVING = Spec(
    "gauge", "bridge_node_draining", "1 while the node gives back its accounts, because it is drained or stopping."
)
CLUSTER_NODES = Spec("gauge", "bridge_cluster_nodes", "Nodes of the cluster that this one sees, including itself.")
UNPLACED = Spec("gauge", "bridge_cluster_accounts_unplaced", "Accounts of the cluster that no node drives.")
OBSERVED = (
    *(BUILD, BROWSER, BROWSER_MEMORY, BROWSER_CPU, READY, ACCEPTING, PRESSURE),
    *(ACCOUNTS, ACCOUNTS_BUSY, ACCOUNTS_FREE, ACCOUNTS_PAUSED, ACCOUNTS_HELD),
    *(RUNNING, WAITING, QUEUE_LIMIT, OLDEST_WAIT, SENDS, SENDS_LIMIT, ACCOUNT_STATE, ACCOUNT_SENDS),
    *(NODE, NODE_LEAVING, CLUSTER_NODES, UNPLACED),
)
"""The metrics that are read at each scrape."""
