// Small components that the views share.

import { html, useRef, useState } from "../html.js";
import { useNow } from "../clock.js";
import { ago, left } from "../format.js";
import { Icon } from "./icons.js";
import { tell } from "./toasts.js";

// A button that is busy until its work has ended, and ignores clicks until then.
export function ActionButton({ run, children, class: name = "button", ...more }) {
  const [isBusy, setBusy] = useState(false);
  const onClick = async () => {
    if (isBusy) return;
    setBusy(true);
    try {
      await run();
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" ...${more} class=${name} aria-busy=${isBusy}
    onClick=${onClick}>${children}</button>`;
}

export function CopyButton({ text, label = "Copy", what = "" }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    if (!(await copied(text)))
      return tell("The browser does not allow copying here. Select the text and copy it by hand.", "bad");
    setDone(true);
    tell(what ? `Copied ${what}.` : "Copied.");
    return setTimeout(() => setDone(false), 2000);
  };
  return html`<button type="button" class="button small" aria-label=${what ? `${label} ${what}` : label}
    onClick=${copy}>
    <${Icon} name=${isDone ? "check" : "copy"} />${label}</button>`;
}

// Pages from insecure origins have no clipboard API; there the deprecated command still works.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

export function Code({ text, what }) {
  return html`<div class="code"><div class="code-head"><span class="small soft clip">${what}</span>
    <${CopyButton} text=${text} what=${what} /></div>
    <pre tabindex="0" aria-label=${what}>${text}</pre></div>`;
}

export function Empty({ title, children, action, icon = "info" }) {
  return html`<div class="empty"><span class="empty-icon"><${Icon} name=${icon} size=${22} /></span>
    <h2>${title}</h2><p class="soft">${children}</p>${action}</div>`;
}

export function Ago({ at }) {
  const time = useNow();
  return html`<time datetime=${at ?? undefined}>${ago(at, time)}</time>`;
}

export function Countdown({ to }) {
  const time = useNow();
  if (Date.parse(to) <= time) return html`<span>any moment now</span>`;
  return html`<span>in <time class="countdown" datetime=${to} title=${new Date(to).toLocaleString()}>${left(to, time)}</time></span>`;
}

export function Elapsed({ since }) {
  const time = useNow();
  return html`<span class="elapsed">${left(new Date(time).toISOString(), Math.min(time, Date.parse(since)))}</span>`;
}

export function Switch({ label, checked, onChange, disabled = false }) {
  return html`<label class="switch"><input type="checkbox" role="switch" checked=${checked} disabled=${disabled}
    onChange=${(event) => onChange(event.target.checked)} />${label}</label>`;
}

// Radio buttons that look like one control.
export function Segments({ label, name, options, value, onChange }) {
  return html`<fieldset class="segments"><legend class="hidden-text">${label}</legend>
    ${options.map(
      ([key, text, more]) => html`<label key=${key} class=${key === value ? "on" : ""}>
      <input type="radio" name=${name} value=${key} checked=${key === value} onChange=${() => onChange(key)} />${text}
      ${more !== undefined && html`<span class="count">${more}</span>`}</label>`,
    )}
  </fieldset>`;
}

export function Search({ label, value, onChange, placeholder = label }) {
  return html`<label class="search"><${Icon} name="search" /><span class="hidden-text">${label}</span>
    <input class="input" type="search" placeholder=${placeholder} value=${value} spellcheck=${false}
      onInput=${(event) => onChange(event.target.value)} /></label>`;
}

// The used part of a budget; without a limit only the number.
export function Budget({ label, used, limit }) {
  const share = limit ? Math.min(1, used / limit) : 0;
  const kind = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  const said = limit ? `${used} of ${limit}` : `${used}`;
  return html`<div class="budget"><span class="faint">${label}</span>
    <span>${limit ? html`${used}<span class="faint">/${limit}</span>` : used}</span>
    ${
      limit
        ? html`<span class=${`meter ${kind}`} role="meter" aria-label=${`Sends, ${label}: ${said}`} aria-valuemin="0"
      aria-valuemax=${limit} aria-valuenow=${Math.min(used, limit)}>
        <span style=${{ width: `${share * 100}%` }}></span></span>`
        : null
    }
  </div>`;
}

// A link to a web page; an address with another scheme than http and https is shown as text.
export function WebLink({ url, children }) {
  const isWeb = /^https?:\/\//i.test(url);
  return isWeb
    ? html`<a href=${url} target="_blank" rel="noopener noreferrer">${children}</a>`
    : html`<span>${children}</span>`;
}

// The state of a disclosure: whether it is open, and a function that toggles it.
export function useOpen() {
  const [isOpen, setOpen] = useState(false);
  const toggle = useRef(() => setOpen((before) => !before)).current;
  return [isOpen, toggle];
}
