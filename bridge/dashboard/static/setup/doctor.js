// The doctor's checks of the bridge's machine and of the sites, with advice.

import { html } from "../html.js";
import { post } from "../api.js";
import { update, useStore } from "../store.js";
import { clipped } from "../format.js";
import { ActionButton, Ago, Empty } from "../components/parts.js";
import { ThisNode } from "../components/this_node.js";
import { Icon } from "../components/icons.js";
import { attempt } from "../components/toasts.js";

const KINDS = { true: ["ok", "check", "Good"], false: ["bad", "alert", "Not good"], null: ["warn", "info", "Unknown"] };

export function Doctor() {
  return html`<div class="stack"><${Machine} /><${Site} /></div>`;
}

function Machine() {
  const result = useStore((state) => state.doctor);
  const at = result?.at;
  const run = () =>
    attempt(async () => {
      const found = await post("doctor");
      update({ doctor: found });
      return { message: told(found.checks) };
    });
  const button = html`<${ActionButton} class="button primary" run=${run}>
    <${Icon} name="refresh" />${at ? "Look again" : "Look now"}<//>`;
  return html`<section class="card" aria-labelledby="doctor">
    <header class="card-head"><h2 id="doctor">Doctor</h2><${ThisNode} />${at && html`<span class="small soft grow">looked <${Ago}
      at=${at} /></span>`}${at && button}</header>
    ${result === undefined && html`<div class="skeleton block" aria-busy="true"></div>`}
    ${result !== undefined && !at && html`<${Empty} icon="check" title="Not looked yet"
      action=${button}>It looks at the browser, its sandbox, the folders, the logins and the network, and takes some seconds.<//>`}
    ${at && html`<ul class="lines">${result.checks.map((check) => html`<${Check} key=${check.name}
      check=${check} />`)}</ul>`}
  </section>`;
}

// The check of the site, on a second page of an account, which takes no chats while it runs.
function Site() {
  const accounts = useStore((state) => state.accounts);
  const result = useStore((state) => state.doctor);
  const checkAll = () => checkSite();
  return html`<section class="card" aria-labelledby="site-check">
    <header class="card-head"><h2 id="site-check">Site</h2>
      <span class="small soft grow check-note">Opens one more page of an account, and checks every control and the protocol.
        Nothing is sent; chats for that account wait until it ends.</span>
      ${accounts?.length > 1 && html`<${ActionButton} run=${checkAll}><${Icon} name="refresh" />Check all<//>`}</header>
    ${accounts === null && html`<div class="skeleton block" aria-busy="true"></div>`}
    ${accounts?.length === 0 && html`<${Empty} icon="info" title="No account yet">The site is checked on an account's page.<//>`}
    ${accounts?.length > 0 && html`<ul class="lines">${accounts.map(
      ({ name }) => html`<${SiteOf} key=${name} name=${name} isRunning=${result?.checking.includes(name)}
        found=${result?.site.find((one) => one.account === name)} />`,
    )}</ul>`}
  </section>`;
}

function SiteOf({ name, found, isRunning }) {
  const run = () => checkSite(name);
  const standing = isRunning ? "is being checked" : found ? html`checked <${Ago} at=${found.at} />` : "not checked yet";
  return html`<li class="site-line"><div class="site-head"><b class="clip">${name}</b>
    <span class="small soft grow">${standing}</span>
    <${ActionButton} class="button small" aria-label=${`Check the site with ${name}`} run=${run}>Check<//></div>
    ${found && html`<ul>${found.checks.map((check) => html`<${Check} key=${check.name} check=${check} />`)}</ul>`}</li>`;
}

// Checks the site on a page of one account, or of all accounts.
function checkSite(account) {
  const work = async () => {
    const found = await post("doctor/site", account === undefined ? {} : { account });
    update({ doctor: found });
    const wanted = found.site.filter((one) => account === undefined || one.account === account);
    const checks = wanted.flatMap((one) => one.checks);
    const busy = checks.filter((check) => check.ok === null).map((check) => check.text);
    return { message: [told(checks, "The check of the site"), ...busy].join(" ") };
  };
  return attempt(work, undefined, "Checking the site; chats for the account wait until it ends.");
}

function told(checks, who = "The doctor") {
  const bad = checks.filter((check) => check.ok === false).length;
  return bad
    ? `${who} found ${bad === 1 ? "one problem" : `${bad} problems`}.`
    : `${who} found no problem.`;
}

function Check({ check: { name, ok, text, advice } }) {
  const [kind, icon, word] = KINDS[String(ok)] ?? KINDS.null;
  return html`<li class="check-line"><span class=${`mark ${kind}`}><${Icon} name=${icon} />
    <span class="hidden-text">${word}:</span></span>
    <div><p><b>${name}</b> <span class="soft">${clipped(text, 1000)}</span></p>${advice && html`<p class="small">${clipped(advice, 1000)}</p>`}</div></li>`;
}
