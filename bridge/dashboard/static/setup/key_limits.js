// The limits of a key: the fields of a form, and a line with the limits that are set and their use.

import { html } from "../html.js";
import { clock, count } from "../format.js";

const COUNTS = [
  ["requests_per_minute", "Chats a minute"],
  ["requests_per_day", "Chats a day"],
  ["tokens_per_minute", "Tokens a minute"],
  ["tokens_per_day", "Tokens a day"],
  ["parallel", "Chats at a time"],
];

// Converts limits from the API to texts for the form's fields.
export function asFields(limits = {}) {
  const fields = Object.fromEntries(COUNTS.map(([name]) => [name, String(limits[name] ?? "")]));
  const lists = { models: (limits.models ?? []).join(", "), accounts: (limits.accounts ?? []).join(", ") };
  return { ...fields, ...lists, share: String(limits.share ?? 1), expires: asLocal(limits.expires) };
}

// Converts the form's fields to limits for the API, which validates them.
export function asLimits(fields) {
  const number = (text) => (text.trim() === "" ? null : Number(text));
  const names = (text) =>
    text
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
  return {
    ...Object.fromEntries(COUNTS.map(([name]) => [name, number(fields[name])])),
    models: names(fields.models),
    accounts: names(fields.accounts),
    share: number(fields.share) ?? 1,
    expires: fields.expires ? new Date(fields.expires).toISOString() : null,
  };
}

// Returns a time for an input of type datetime-local: local time without its zone.
function asLocal(iso) {
  if (!iso) return "";
  const date = new Date(iso);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function LimitFields({ fields, onChange }) {
  const change = (name) => (event) => onChange({ ...fields, [name]: event.target.value });
  const input = (name, label, more) => html`<label class="field" key=${name}><span>${label}</span><input class="input"
    name=${name} value=${fields[name]} autocomplete="off" onInput=${change(name)} ...${more} /></label>`;
  const whole = { type: "number", min: 1, step: 1, placeholder: "no limit" };
  return html`<div class="limit-fields">
    ${COUNTS.map(([name, label]) => input(name, label, whole))}
    ${input("share", "Weight in the queue", { ...whole, max: 100, placeholder: "1" })}
    ${input("models", "Models", { placeholder: "all, or names separated by commas" })}
    ${input("accounts", "Accounts", { placeholder: "all, or names separated by commas" })}
    ${input("expires", "Valid until", { type: "datetime-local" })}
  </div>`;
}

// A line with the limits that are set, and how much of each is used.
export function LimitsLine({ limits = {}, used = {}, expired = false }) {
  const parts = COUNTS.filter(([name]) => limits[name] != null).map(([name, label]) => {
    const most = count(limits[name]);
    return `${label.toLowerCase()}: ${name in used ? `${count(used[name])} of ${most}` : most}`;
  });
  if (limits.share > 1) parts.push(`weight ${limits.share}`);
  for (const name of ["models", "accounts"]) if (limits[name]?.length) parts.push(`${name}: ${limits[name].join(", ")}`);
  const until = limits.expires && !expired ? `until ${clock(limits.expires)}` : "";
  if (until) parts.push(until);
  if (!parts.length && !expired) return null;
  return html`<span class="small soft limits-line">${expired ? html`<span class="badge plain bad">expired</span> ` : null}${parts.join(" · ")}</span>`;
}
