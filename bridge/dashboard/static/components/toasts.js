// Notices about the results of actions, shown for some seconds and announced to screen readers.

import { html, useEffect, useLayoutEffect, useRef } from "../html.js";
import { store, update, useStore } from "../store.js";
import { clipped } from "../format.js";
import { Icon } from "./icons.js";

const SHOWN = { ok: 6_000, bad: 15_000 };
const MOST = 4;
const SOON = 400;

const ICONS = { ok: "check", bad: "alert", busy: "refresh" };

let last = 0;

export function tell(text, kind = "ok") {
  last += 1;
  update({ toasts: [...(store.toasts ?? []).slice(1 - MOST), { id: last, text: clipped(text), kind }] });
  return last;
}

// Runs `work` and shows a notice: the message of the answer, `done`, or the message of the error. Returns the answer or
// null. `doing` is shown if the work takes a while.
export async function attempt(work, done, doing) {
  try {
    const answer = await accompanied(work, doing);
    const text = answer?.message || done;
    if (text) tell(text);
    return answer ?? {};
  } catch (error) {
    if (error.status !== 401) tell(error.message, "bad");
    return null;
  }
}

async function accompanied(work, doing) {
  let told = 0;
  const timer = doing && setTimeout(() => (told = tell(doing, "busy")), SOON);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    dismiss(told);
  }
}

function dismiss(id) {
  update({ toasts: (store.toasts ?? []).filter((toast) => toast.id !== id) });
}

function Toast({ toast }) {
  useEffect(() => {
    const timer = toast.kind in SHOWN && setTimeout(() => dismiss(toast.id), SHOWN[toast.kind]);
    return () => clearTimeout(timer);
  }, [toast.id]);
  return html`<div class=${`toast ${toast.kind}`}>
    <${Icon} name=${ICONS[toast.kind]} />
    <p>${toast.text}</p>
    <button class="button quiet small icon" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}>
      <${Icon} name="close" /></button>
  </div>`;
}

export function Toasts() {
  const toasts = useStore((state) => state.toasts) ?? [];
  const box = useRef(null);
  // Shown again after each change, so that it lies above a dialog that was opened in the meantime.
  useLayoutEffect(() => {
    box.current.hidePopover();
    if (toasts.length) box.current.showPopover();
  }, [toasts]);
  return html`<section ref=${box} class="toasts" popover="manual" aria-label="Notices">
    ${toasts.map((toast) => html`<${Toast} key=${toast.id} toast=${toast} />`)}
  </section>
  <p class="hidden-text" role="status">${toasts.at(-1)?.text}</p>`;
}
