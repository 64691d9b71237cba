// One chat that has ended: a row that opens to its times, sizes, files and, if the history is on, its texts.

import { html, memo, useEffect, useState } from "../html.js";
import { download, get, named } from "../api.js";
import { store } from "../store.js";
import { clipped, clock, count, dateTime, duration } from "../format.js";
import { ActionButton, useOpen } from "../components/parts.js";
import { Icon } from "../components/icons.js";
import { attempt } from "../components/toasts.js";
import { Times, Waterfall, total } from "../components/waterfall.js";

const GOOD = new Set(["stop", "length", "tool_calls"]);
const SHOWN = 20_000;
const MESSAGES = 20;
const ROLES = { system: "System", user: "User", assistant: "Assistant", tool: "Tool" };
const FILES = [
  ["trace", "Trace"],
  ["bundle", "Diagnostic bundle"],
  ["record", "Raw stream"],
];

export const isGood = (chat) => GOOD.has(chat.result);

export const ChatRow = memo(function ChatRow({ chat }) {
  const [isOpen, toggle] = useOpen();
  return html`<li class=${`chat ${isOpen ? "open" : ""}`}>
    <div class="chat-row">
      <button class="disclose chat-time" aria-expanded=${isOpen} onClick=${toggle}
        aria-label=${`Chat at ${clock(chat.at)}`}>
        <${Icon} name="down" /><time datetime=${chat.at}>${clock(chat.at)}</time></button>
      <span class="mono clip chat-model">${clipped(chat.model, 80)}</span>
      <span class="clip chat-account">${chat.account || html`<span class="faint">none</span>`}${
        chat.node && html`<span class="faint small" title=${chat.node}> at ${chat.node}</span>`
      }</span>
      <span class="chat-result"><${Result} chat=${chat} /></span>
      <span class="chat-bar"><${Waterfall} marks=${chat.marks} /></span>
      <span class="chat-took">${duration(total(chat.marks))}</span>
      <span class="chat-tokens soft">${count(chat.tokens)}<span class="unit"> tokens</span></span>
    </div>
    ${isOpen && html`<${More} chat=${chat} />`}
  </li>`;
});

function Result({ chat }) {
  const kind = isGood(chat) ? "ok" : chat.result.startsWith("cancelled") ? "" : "bad";
  return html`<span class=${`badge ${kind}`}><span class="clip">${clipped(chat.result, 60)}</span></span>`;
}

function More({ chat }) {
  const files = FILES.filter(([kind]) => chat[kind]);
  return html`<div class="chat-more">
    <${Times} marks=${chat.marks} />
    <dl class="facts">
      ${chat.reason && html`<dt>Reason</dt><dd>${clipped(chat.reason, 2000)}</dd>`}
      <dt>Ended</dt><dd>${dateTime(chat.at)}</dd>
      <dt>Prompt</dt><dd>${count(chat.prompt_chars)} characters</dd>
      <dt>Answer</dt><dd>${count(chat.answer_chars)} characters, ${count(chat.tokens)} tokens</dd>
      ${chat.node && html`<dt>Node</dt><dd>${chat.node}</dd>`}
      <dt>Id</dt><dd class="mono">${chat.id}</dd>
      <dt>Files</dt><dd class="row wrap">${
        files.length === 0
          ? html`<span class="faint">none kept</span>`
          : files.map(
              ([kind, label]) => html`
        <${ActionButton} key=${kind} class="button small" run=${() => save(chat, kind, label)}>
          <${Icon} name="save" />${label}<//>`,
            )
      }</dd>
    </dl>
    ${store.bridge?.history && html`<${Texts} id=${chat.id} />`}
  </div>`;
}

const save = ({ id }, kind, label) =>
  attempt(
    async () => void (await download("GET", named("chats", id, `/${kind}`), `${id}.zip`)),
    `Saved: ${label.toLowerCase()} of the chat.`,
  );

function Texts({ id }) {
  const [texts, setTexts] = useState(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    get(named("chats", id)).then(setTexts, (error) => setProblem(error.message));
  }, [id]);
  if (problem) return html`<p class="soft small texts">${problem}</p>`;
  if (!texts) return html`<p class="soft small texts">Loading its texts …</p>`;
  return html`<div class="texts">
    ${parts(texts).map(
      ([label, text], index) => html`<section key=${index}>
        <h3>${label}</h3>
        <pre tabindex="0" aria-label=${label}>${clipped(text, SHOWN)}</pre>
      </section>`,
    )}
  </div>`;
}

// Returns the texts in order, of the messages only the last ones.
function parts({ messages, thinking, answer }) {
  const said = messages.slice(-MESSAGES).map(({ role, text }) => [ROLES[role] ?? role, text]);
  return [...said, ["Thinking", thinking], ["Answer", answer]].filter(([, text]) => text);
}
