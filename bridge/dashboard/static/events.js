// Reads the bridge's event stream into the store, and reconnects when the connection is lost.

import { adminUrl, send } from "./api.js";
import { setClock } from "./clock.js";
import { events } from "./sse.js";
import { store, takeChat, takeLine, takeSample, takeState, update } from "./store.js";

const SILENCE = 30_000; // milliseconds; the bridge sends something every ten seconds
const LONGEST = 15_000;
// A hidden page closes its connection: browsers allow six to one server, for all tabs together.
const UNSEEN = 5_000;
const TAKE = { state: takeState, chat: takeChat, log: takeLine, sample: takeSample };

let following = null;
let wake = () => {};
let cut = () => {};
let unseen = 0;
let version;

export function follow() {
  if (following) return;
  following = new AbortController();
  run(following.signal);
}

export function unfollow() {
  following?.abort();
  following = null;
  wake();
}

// Retries at once instead of waiting.
export function retryNow() {
  wake();
}

async function run(stopped) {
  for (let attempt = 0; !stopped.aborted; attempt += 1) {
    while (isHidden() && !stopped.aborted) await new Promise((resolve) => (wake = resolve));
    if (stopped.aborted) return;
    let reason = "";
    try {
      await read(stopped, () => (attempt = 0));
    } catch (error) {
      if (error.status === 401) return unfollow();
      if (error.status === 429) reason = error.message;
    }
    if (stopped.aborted) return;
    if (isHidden()) attempt = 0;
    else await pause(attempt, reason);
  }
}

// Reads one connection to its end.
async function read(stopped, onEvent) {
  const connection = new AbortController();
  const end = () => connection.abort();
  cut = end;
  stopped.addEventListener("abort", end);
  let timer = setTimeout(end, SILENCE);
  const restartTimer = () => {
    clearTimeout(timer);
    timer = setTimeout(end, SILENCE);
  };
  try {
    const response = await send("GET", adminUrl("events"), { signal: connection.signal });
    setClock(response.headers.get("date"));
    for await (const { name, data } of events(response.body, restartTimer)) {
      onEvent();
      if (store.connection.state !== "live") update({ connection: { state: "live", retryAt: 0 } });
      const given = JSON.parse(data);
      if (isOther(given.bridge)) return location.reload();
      TAKE[name]?.(given);
    }
  } finally {
    clearTimeout(timer);
    stopped.removeEventListener("abort", end);
    connection.abort();
  }
}

// Tells whether the bridge has another version than the one that this page's files came from.
function isOther(bridge) {
  version ??= bridge?.version;
  return Boolean(bridge) && bridge.version !== version;
}

// Waits longer after each failure, up to a limit and with jitter, so that many pages do not reconnect at once.
async function pause(attempt, reason) {
  const wait = Math.min(LONGEST, 500 * 2 ** attempt) * (0.75 + Math.random() / 2);
  update({ connection: { state: "lost", retryAt: Date.now() + wait, reason } });
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, wait);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

const isHidden = () => document.visibilityState === "hidden";

addEventListener("online", () => wake());
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (isHidden()) unseen = setTimeout(() => cut(), UNSEEN);
  else wake();
});
