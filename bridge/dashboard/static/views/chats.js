// Chats: waiting and running ones, which can be cancelled, and recent ones with the times of their phases.

import { html, useState } from "../html.js";
import { get } from "../api.js";
import { CHATS, takeOlder, useStore } from "../store.js";
import { clipped, plural } from "../format.js";
import { ActionButton, Elapsed, Empty, Search, Segments } from "../components/parts.js";
import { Legend, Waterfall } from "../components/waterfall.js";
import { attempt } from "../components/toasts.js";
import { cancelChat } from "./account_actions.js";
import { STEPS } from "./account_state.js";
import { ChatRow, isGood } from "./chat_row.js";

const PAGE = 100;
const KINDS = [
  ["all", "All", () => true],
  ["good", "Answered", isGood],
  ["bad", "Not answered", (chat) => !isGood(chat)],
];

export function Chats() {
  return html`<div class="view">
    <header class="view-head"><h1 tabindex="-1">Chats</h1></header>
    <${Missing} />
    <${Current} />
    <${Recent} />
  </div>`;
}

// In a cluster, names the nodes whose chats are missing because they did not answer.
function Missing() {
  const missing = useStore((state) => state.cluster?.missing) ?? [];
  if (!missing.length) return null;
  return html`<p class="notice" role="status">The chats of ${missing.join(", ")} are not shown: no answer now.</p>`;
}

function Current() {
  const queue = useStore((state) => state.queue);
  const running = useStore((state) => state.running);
  return html`<section class="card" aria-labelledby="current">
    <header class="card-head"><h2 id="current">Running and waiting</h2>
      <span class="small soft">${running.length} running, ${queue.length} waiting</span>
        </header>
    ${running.length + queue.length === 0 && html`<p class="quiet-line soft">Nothing runs and nothing waits.</p>`}
    <ul class="lines" aria-label="Running and waiting chats">
      ${running.map((chat) => html`<${Line} key=${chat.id} chat=${chat} />`)}
      ${queue.map((chat, index) => html`<${Line} key=${chat.id}
        chat=${{ ...chat, step: "waiting", place: chat.position ?? index + 1 }} />`)}
    </ul></section>`;
}

function Line({ chat }) {
  const { id, model, key, account, node, step, tokens, since, marks, place } = chat;
  return html`<li class="chat-line">
    <span class=${`badge ${step === "waiting" ? "" : "info working"}`}>${STEPS[step] ?? step}</span>
    <span class="clip">
      <span class="mono">${clipped(model, 60)}</span>${account ? html`<span class="soft"> on ${account}</span>` : ""}${
        node ? html`<span class="soft"> at ${node}</span>` : ""
      }${
        key ? html`<span class="soft"> for ${clipped(key, 64)}</span>` : ""
      }</span>
    <span class="soft small progress">${place ? `place ${place}` : plural(tokens ?? 0, "token")} · <${Elapsed}
      since=${since} /></span>
    <span class="so-far">${marks && html`<${Waterfall} marks=${marks} />`}</span>
    <${ActionButton} class="button small" aria-label=${`Cancel chat ${id}`} run=${() => cancelChat(id)}>Cancel<//>
  </li>`;
}

function Recent() {
  const recent = useStore((state) => state.recent);
  const [kind, setKind] = useState("all");
  const [words, setWords] = useState("");
  const [, , isIn] = KINDS.find(([key]) => key === kind);
  const found = recent.filter((chat) => isIn(chat) && has(chat, words));
  const options = KINDS.map(([key, label, test]) => [key, label, recent.filter(test).length]);
  return html`<section aria-labelledby="recent" class="stack">
    <div class="filters"><h2 id="recent">Recent</h2>
      <${Segments} label="Show" name="kind" options=${options} value=${kind} onChange=${setKind} />
      <${Search} label="Find a chat" placeholder="Model, key, account, result" value=${words} onChange=${setWords} />
        </div>
    <div class="card chats">
      ${found.length === 0 ? html`<${None} isAny=${recent.length > 0} />` : html`<${Rows} chats=${found} />`}
      ${recent.length >= PAGE && html`<${Older} last=${recent.at(-1)} count=${recent.length} />`}
    </div></section>`;
}

function Rows({ chats }) {
  return html`<div class="chats-legend"><${Legend} /></div>
    <div class="chat-heads small soft" aria-hidden="true"><span>Time</span><span>Model</span><span>Account</span>
      <span>Result</span><span>Where the time went</span><span>Took</span><span>Tokens</span></div>
    <ul aria-label="Recent chats">${chats.map((chat) => html`<${ChatRow} key=${chat.id} chat=${chat} />`)}</ul>`;
}

function None({ isAny }) {
  if (isAny) return html`<${Empty} icon="search" title="No chat matches">Choose another group, or change the search.<//>`;
  return html`<${Empty} icon="chats" title="No chat yet"
    action=${html`<a class="button" href="#playground">Open the playground</a>`}>
    Ask something in the playground, or connect a client: Setup has the lines to paste.<//>`;
}

function Older({ last, count }) {
  const [isDone, setDone] = useState(false);
  const load = () =>
    attempt(async () => {
      const { chats } = await get(`chats?${new URLSearchParams({ limit: PAGE, before: last.id })}`);
      setDone(!takeOlder(chats));
    });
  if (count >= CHATS) return html`<p class="quiet-line soft">These are the newest ${CHATS}; no more are shown.</p>`;
  if (isDone) return html`<p class="quiet-line soft">There are no older chats.</p>`;
  return html`<p class="quiet-line"><${ActionButton} class="button small" run=${load}>Load older<//></p>`;
}

function has({ id, model, key, account, node, result, reason }, words) {
  return `${id} ${model} ${key ?? ""} ${account} ${node ?? ""} ${result} ${reason ?? ""}`.toLowerCase().includes(words.trim().toLowerCase());
}
