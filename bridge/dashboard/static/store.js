// The state of the page: the sections that the bridge sends, and a few of the page's own.

import { useEffect, useState } from "./html.js";

export const LOG_LINES = 1000; // as many as the bridge keeps
export const CHATS = 2000;
const CHATS_BY_DEFAULT = 300; // bounds a page that is open for days; loading older chats raises the limit
const KEYS = { accounts: "name", queue: "id", running: "id", recent: "id", keys: "id" };

const listeners = new Set();
let mostChats = CHATS_BY_DEFAULT;

export const store = {
  session: "unknown", // unknown, none, open
  ownKey: "", // id of the key of this session
  connection: { state: "connecting", retryAt: 0 },
  bridge: null,
  browser: null,
  accounts: null,
  cluster: null, // null without a cluster
  queue: [],
  running: [],
  recent: [],
  drift: [],
  keys: null,
  doctor: undefined,
  log: [],
  samples: [],
  minute: 0,
};

export function update(changes) {
  Object.assign(store, changes);
  for (const listener of [...listeners]) listener();
}

// Returns a part of the state, and redraws the component when it changes.
export function useStore(select) {
  const [, redraw] = useState(0);
  useEffect(() => {
    let seen = select(store);
    const listener = () => {
      const now = select(store);
      if (now === seen) return;
      seen = now;
      redraw((count) => count + 1);
    };
    listeners.add(listener);
    redraw((count) => count + 1);
    return () => listeners.delete(listener);
  }, []);
  return select(store);
}

// Stores sections from the bridge; unchanged entries keep their objects, so that their rows are not redrawn.
export function takeState(sections) {
  const changes = {};
  for (const [name, value] of Object.entries(sections)) {
    if (name === "recent") changes.recent = joined(value, store.recent);
    else if (name === "log") changes.log = withLines(value);
    else if (name in KEYS) changes[name] = kept(store[name] ?? [], value, KEYS[name]);
    else changes[name] = value;
  }
  update(changes);
}

export function takeChat(chat) {
  update({ recent: joined([chat], store.recent) });
}

// Adds chats older than the known ones; returns whether there were any.
export function takeOlder(chats) {
  const before = store.recent.length;
  mostChats = Math.min(CHATS, Math.max(CHATS_BY_DEFAULT, before + chats.length));
  update({ recent: joined(store.recent, chats) });
  return store.recent.length > before;
}

export function takeLine(line) {
  update({ log: [...store.log.slice(1 - LOG_LINES), line] });
}

// Returns the known lines from before the given ones, the given ones, and those that the stream has brought since the
// request, possibly in the same millisecond as the last given one.
function withLines(lines) {
  if (!lines.length) return store.log;
  const given = new Set(lines.map(idOf));
  const others = store.log.filter((line) => !given.has(idOf(line)));
  const before = others.filter(({ at }) => at < lines[0].at);
  const after = others.filter(({ at }) => at >= lines.at(-1).at);
  return [...before, ...lines, ...after].slice(-LOG_LINES);
}

const idOf = ({ at, text }) => `${at} ${text}`;

export function takeSample(sample) {
  update({ samples: [...store.samples.slice(-1500), sample], minute: sample.time });
}

function kept(before, now, key) {
  const known = new Map(before.map((entry) => [entry[key], entry]));
  return now.map((entry) => same(known.get(entry[key]), entry));
}

function same(before, now) {
  return before && JSON.stringify(before) === JSON.stringify(now) ? before : now;
}

// Returns the chats with the newest first, in the bridge's order, because several may have ended within one second.
function joined(newer, older) {
  const first = kept(store.recent, newer, "id");
  const ids = new Set(first.map(({ id }) => id));
  return [...first, ...older.filter(({ id }) => !ids.has(id))].slice(0, mostChats);
}
