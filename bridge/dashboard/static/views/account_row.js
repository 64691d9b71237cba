// One account: a dense row that opens to all its details.

import { html, memo, useEffect, useRef, useState } from "../html.js";
import { adminUrl, named } from "../api.js";
import { clipped, clock, count, dateTime, plural } from "../format.js";
import { ActionButton, Ago, Budget, Countdown, Elapsed, useOpen } from "../components/parts.js";
import { Icon } from "../components/icons.js";
import { Menu } from "../components/menu.js";
import { liveUrl, mainAction, menuOf } from "./account_actions.js";
import { STEPS, stateOf } from "./account_state.js";

const FRESH = { busy: 10_000, idle: 60_000 };

export const AccountRow = memo(function AccountRow({ account }) {
  const [isOpen, toggle] = useOpen();
  const id = `account-${account.name}`;
  return html`<li class=${`account ${isOpen ? "open" : ""}`} aria-labelledby=${id}>
    <div class="account-row">
      <${Thumbnail} account=${account} />
      <div class="account-name">
        <button class="disclose" id=${id} aria-expanded=${isOpen} onClick=${toggle}>
          <${Icon} name="down" /><span class="clip" title=${account.name}>${account.name}</span></button>
        <span class="small faint clip">${account.site}</span>
        ${account.node && html`<span class="small faint clip" title=${`on the node ${account.node}`}>on ${account.node}</span>`}
      </div>
      <${State} account=${account} />
      <${Chat} account=${account} />
      <div class="account-sends"><span class="hidden-text">Sends</span>
        <${Budget} label="hour" used=${account.sends.hour} limit=${account.sends.hour_limit} />
        <${Budget} label="day" used=${account.sends.day} limit=${account.sends.day_limit} />
      </div>
      <${Seen} account=${account} />
      <div class="account-actions"><${Main} account=${account} />
        <${Menu} label=${`Actions for ${account.name}`} items=${menuOf(account)} /></div>
    </div>
    ${isOpen && html`<${More} account=${account} />`}
  </li>`;
});

function State({ account }) {
  const { label, kind, isWorking } = stateOf(account);
  const reason = clipped(account.reason, 200);
  const isParked = account.until && account.state !== "ready";
  return html`<div class="account-state">
    <div class="row wrap">
      <span class=${`badge ${kind} ${isWorking ? "working" : ""}`}>${label}</span>
      ${account.paused && html`<span class="badge">Paused</span>`}
      ${account.held && html`<span class="badge info">A person is using its page</span>`}
    </div>
    ${
      (isParked || reason) &&
      html`<p class="small soft two-lines">
        ${isParked && html`<span>retry <${Countdown} to=${account.until} />${reason && ": "}</span>`}<bdi>${reason}</bdi></p>`
    }
  </div>`;
}

function Chat({ account: { chat } }) {
  if (!chat)
    return html`<div class="account-chat faint small">
      <span class="hidden-text">Chat:</span> <span class="nothing">no chat now</span></div>`;
  return html`<div class="account-chat"><span class="badge info working">${STEPS[chat.step] ?? chat.step}</span>
    <p class="small soft two-lines">${plural(chat.tokens ?? 0, "token")} · <${Elapsed}
      since=${chat.started} /> · ${clipped(chat.model, 60)}</p></div>`;
}

function Seen({ account: { last_error: error, last_seen: seen } }) {
  return html`<div class="account-seen small">
    <p class="soft">${seen ? html`alive <${Ago} at=${seen} />` : "not seen alive yet"}</p>
    ${
      error
        ? html`<p class="two-lines bad-text" title=${clipped(error.message)}>${error.code} <span class="faint">
          <${Ago} at=${error.at} /></span></p>`
        : html`<p class="faint">no error</p>`
    }
  </div>`;
}

function Main({ account }) {
  const { label, href, run, strong } = mainAction(account);
  const name = `button small ${strong ? "primary" : ""}`;
  const said = html`${label}<span class="hidden-text"> of ${account.name}</span>`;
  if (href) return html`<a class=${name} href=${href}>${said}</a>`;
  return html`<${ActionButton} class=${name} run=${run}>${said}<//>`;
}

function More({ account }) {
  const error = account.last_error;
  return html`<div class="account-more">
    <dl class="facts">
      ${account.reason && html`<dt>Reason</dt><dd dir="auto">${clipped(account.reason, 2000)}</dd>`}
      ${account.until && html`<dt>Until</dt><dd>${dateTime(account.until)}</dd>`}
      ${account.chat && html`<dt>Chat</dt><dd class="mono">${account.chat.id}</dd>`}
      <dt>Last error</dt>
        <dd>${error ? html`<span class="mono">${error.code}</span>, ${clock(error.at)}: ${clipped(error.message, 2000)}` : "none"}</dd>
      <dt>Last seen alive</dt><dd>${dateTime(account.last_seen)}</dd>
      <dt>Chats of this page</dt><dd>${count(account.page_chats)}</dd>
      ${account.node && html`<dt>Node</dt><dd>${account.node}</dd>`}
      <dt>Site</dt><dd>${account.site}, <span class="mono">${account.url}</span></dd>
    </dl>
    <${Thumbnail} account=${account} isLarge=${true} />
  </div>`;
}

// A recent picture of the page; loaded only while it is in view.
function Thumbnail({ account, isLarge = false }) {
  const element = useRef(null);
  const [round, setRound] = useState(0);
  const [isThere, setThere] = useState(true);
  const pace = account.busy || account.chat ? FRESH.busy : FRESH.idle;
  useEffect(() => seenEvery(element.current, pace, () => setRound((before) => before + 1)), [pace]);
  useEffect(() => setThere(true), [account.state, round]);
  const source = `${adminUrl(named("accounts", account.name, "/thumbnail"))}?${round}`;
  const isShown = account.thumbnail && isThere && round > 0;
  return html`<a ref=${element} class=${`thumbnail ${isLarge ? "large" : ""}`}
    href=${liveUrl({ account: account.name })}
    aria-label=${`Live view of ${account.name}`}>
    ${isShown ? html`<img alt="" src=${source} decoding="async"
      onError=${() => setThere(false)} />` : html`<${Icon} name="screen" />`}
  </a>`;
}

// Calls `look` when the element comes into view and every `pace` milliseconds while it stays there.
function seenEvery(element, pace, look) {
  let timer;
  const tick = () => document.visibilityState === "visible" && look();
  const watcher = new IntersectionObserver(([entry]) => {
    clearInterval(timer);
    if (!entry.isIntersecting) return;
    tick();
    timer = setInterval(tick, pace);
  });
  watcher.observe(element);
  return () => {
    clearInterval(timer);
    watcher.disconnect();
  };
}
