// What the doctor found on the bridge's machine, and what to do about it.

import { html } from "../html.js";
import { post } from "../api.js";
import { update, useStore } from "../store.js";
import { clipped } from "../format.js";
import { ActionButton, Ago, Empty } from "../components/parts.js";
import { Icon } from "../components/icons.js";
import { attempt } from "../components/toasts.js";

const KINDS = { true: ["ok", "check", "Good"], false: ["bad", "alert", "Not good"], null: ["warn", "info", "Unknown"] };

export function Doctor() {
  const result = useStore((state) => state.doctor);
  const run = () =>
    attempt(async () => {
      const found = await post("doctor");
      update({ doctor: found });
      return { message: told(found.checks) };
    });
  const button = html`<${ActionButton} class="button primary" run=${run}>
    <${Icon} name="refresh" />${result ? "Look again" : "Look now"}<//>`;
  return html`<section class="card" aria-labelledby="doctor">
    <header class="card-head"><h2 id="doctor">Doctor</h2>${result && html`<span class="small soft grow">looked <${Ago}
      at=${result.at} /></span>`}${result && button}</header>
    ${result === undefined && html`<div class="skeleton block" aria-busy="true"></div>`}
    ${result === null && html`<${Empty} icon="check" title="Not looked yet"
      action=${button}>It looks at the browser, its sandbox, the folders, the logins and the network, and takes some seconds.<//>`}
    ${result && html`<ul class="lines">${result.checks.map((check) => html`<${Check} key=${check.name}
      check=${check} />`)}</ul>`}
  </section>`;
}

function told(checks) {
  const bad = checks.filter((check) => check.ok === false).length;
  return bad
    ? `The doctor found ${bad === 1 ? "one thing" : `${bad} things`} to mend.`
    : "The doctor found nothing to mend.";
}

function Check({ check: { name, ok, text, advice } }) {
  const [kind, icon, word] = KINDS[String(ok)] ?? KINDS.null;
  return html`<li class="check-line"><span class=${`mark ${kind}`}><${Icon} name=${icon} />
    <span class="hidden-text">${word}:</span></span>
    <div><p><b>${name}</b> <span class="soft">${clipped(text, 1000)}</span></p>${advice && html`<p class="small">${clipped(advice, 1000)}</p>`}</div></li>`;
}
