// The times of one chat as a bar of phases, with a text for screen readers.

import { html } from "../html.js";
import { duration } from "../format.js";

// Each phase ends with the mark of its name.
export const PHASES = [
  ["started", "waited", "Waiting for an account"],
  ["sent", "sending", "Typing and sending"],
  ["first_byte", "answering", "Until the first byte"],
  ["first_token", "token", "Until the first token"],
  ["end", "writing", "Writing"],
];

// Returns the phases of a chat: {key, label, from, to} in seconds since it arrived.
export function phases(marks) {
  let from = 0;
  return PHASES.flatMap(([mark, key, label]) => {
    const to = marks[mark];
    if (to == null || to < from) return [];
    const hasFailed = mark === "end" && marks.first_token == null;
    const phase = { key: hasFailed ? "failed" : key, label: hasFailed ? "Until it failed" : label, from, to };
    from = to;
    return [phase];
  });
}

export const total = (marks) => marks.end ?? Math.max(0, ...Object.values(marks));

export function Waterfall({ marks }) {
  const whole = total(marks) || 1;
  const parts = phases(marks);
  const said = parts.map(({ label, from, to }) => `${label}: ${duration(to - from)}`).join(", ");
  return html`<span class="waterfall" role="img" aria-label=${said || "No times"}>
    ${parts.map(({ key, from, to }) => html`<span key=${key} class=${key}
      style=${{ flexGrow: (to - from) / whole }}></span>`)}
  </span>`;
}

export function Legend() {
  return html`<ul class="legend small soft" aria-hidden="true">
    ${PHASES.map(([, key, label]) => html`<li key=${key}><span class=${`dot ${key}`}></span>${label}</li>`)}</ul>`;
}

export function Times({ marks }) {
  return html`<dl class="facts times">${phases(marks).map(
    ({ key, label, from, to }) => html`
    <dt key=${key}><span class=${`dot ${key}`}></span>${label}</dt>
      <dd>${duration(to - from)}<span class="faint"> · at ${duration(to)}</span></dd>`,
  )}
  </dl>`;
}
