// The frame around the views: navigation, status of the bridge, theme, sign out.

import { html, useState } from "./html.js";
import { signOut } from "./api.js";
import { retryNow } from "./events.js";
import { useNow } from "./clock.js";
import { useStore } from "./store.js";
import { clipped, megabytes, plural } from "./format.js";
import { Icon, Logo } from "./components/icons.js";
import { attempt } from "./components/toasts.js";
import { needsYou } from "./views/account_state.js";

const VIEWS = [
  ["accounts", "Accounts"],
  ["nodes", "Nodes"], // only in a cluster
  ["chats", "Chats"],
  ["charts", "Charts"],
  ["playground", "Playground"],
  ["setup", "Setup"],
  ["log", "Log"],
];
const THEMES = { system: ["light", "screen"], light: ["dark", "sun"], dark: ["system", "moon"] };

export function Shell({ view, children }) {
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="side">
      <a class="brand" href="#accounts"><${Logo} /><span>Bridge</span></a>
      <${Navigation} view=${view} />
      <div class="side-foot"><${Theme} /><button class="button quiet small" onClick=${() => attempt(signOut)}>
        <${Icon} name="out" /><span>Sign out</span></button></div>
    </header>
    <div class="page"><${Status} /><main id="main">${children}</main></div>
    <${Lost} />
  </div>`;
}

function skip(event) {
  event.preventDefault();
  document.querySelector("main h1")?.focus();
}

function Navigation({ view }) {
  const accounts = useStore((state) => state.accounts);
  const running = useStore((state) => state.running);
  const queue = useStore((state) => state.queue);
  const cluster = useStore((state) => state.cluster);
  const counts = { accounts: (accounts ?? []).filter(needsYou).length, chats: running.length + queue.length };
  const said = { accounts: "need you", chats: "running or waiting" };
  return html`<nav aria-label="Views"><ul>${VIEWS.filter(([key]) => key !== "nodes" || cluster).map(
    ([key, label]) => html`<li key=${key}>
    <a href=${`#${key}`} aria-current=${key === view ? "page" : undefined}><${Icon} name=${key} size=${18} />
      <span>${label}</span>
      ${counts[key] ? html`<span class=${`count ${key === "accounts" ? "urgent" : ""}`}>${counts[key]}<span class="hidden-text"> ${said[key]}</span></span>` : null}</a></li>`,
  )}</ul></nav>`;
}

function Theme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "system");
  const [next, icon] = THEMES[theme];
  const change = () => {
    paint(next);
    setTheme(next);
  };
  return html`<button class="button quiet small" aria-label=${`Theme: ${theme}. Switch to ${next}.`} onClick=${change}>
    <${Icon} name=${icon} /><span>${theme[0].toUpperCase() + theme.slice(1)}</span></button>`;
}

// Applies a theme and stores it; `theme.js` reads it before anything is drawn.
function paint(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Without storage the theme lasts as long as the page.
  }
}

// The status line of the bridge, in the same place on every view.
function Status() {
  const bridge = useStore((state) => state.bridge);
  const browser = useStore((state) => state.browser);
  const running = useStore((state) => state.running);
  const queue = useStore((state) => state.queue);
  const node = useStore((state) => state.cluster?.node);
  const lost = useStore((state) => state.connection.state) === "lost";
  if (!bridge) return html`<div class="status-line" aria-busy="true"><span class="badge">Connecting</span></div>`;
  return html`<section class=${`status-line ${lost ? "stale" : ""}`} aria-label="Status">
    <${Readiness} bridge=${bridge} />
    <span>${running.length} running</span><span>${queue.length} waiting</span>
      <span>${plural(bridge.chats_today ?? 0, "chat")} today</span>
    <${Browser} browser=${browser} />
    <span class="faint version">${node ? `${node} · ` : ""}${bridge.version}</span>
  </section>`;
}

function Readiness({ bridge }) {
  const [kind, label] = bridge.draining ? ["warn", "Stopping"] : bridge.ready ? ["ok", "Ready"] : ["bad", "Not ready"];
  return html`<span class="readiness">
    <span class=${`badge ${kind}`}>${label}</span>${!bridge.ready && bridge.reason ? html`<span class="clip soft"
    title=${clipped(bridge.reason)}>${clipped(bridge.reason, 160)}</span>` : null}</span>`;
}

function Browser({ browser }) {
  if (!browser) return null;
  if (browser.state !== "running") return html`<span>browser ${browser.state}</span>`;
  const cpu = browser.cpu_percent == null ? "" : `, ${Math.round(browser.cpu_percent)} % CPU`;
  const title = `Chromium ${browser.version ?? ""}`;
  if (browser.elsewhere) return html`<span class="browser clip" title=${title}>browser at ${browser.elsewhere}</span>`;
  return html`<span class="browser" title=${title}>${megabytes(browser.memory_mb)}${cpu}</span>`;
}

function Lost() {
  const connection = useStore((state) => state.connection);
  return html`<div class="lost-holder" role="status">${connection.state === "lost" && html`<${LostNotice}
    retryAt=${connection.retryAt} reason=${connection.reason} />`}</div>`;
}

function LostNotice({ retryAt, reason }) {
  useNow();
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  return html`<div class="lost"><${Icon} name="alert" />
    <span>${reason || "Connection lost."} <span class="soft" aria-hidden="true">${seconds ? `Next try in ${seconds} s.` : "Trying …"}</span></span>
    <button class="button small" onClick=${retryNow}>Try now</button></div>`;
}
