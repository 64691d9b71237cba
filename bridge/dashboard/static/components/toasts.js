// What came of an action, told for some seconds, also to screen readers.

import { html, useEffect, useLayoutEffect, useRef } from "../html.js";
import { store, update, useStore } from "../store.js";
import { clipped } from "../format.js";
import { Icon } from "./icons.js";

const SHOWN = { ok: 6_000, bad: 15_000 };
const MOST = 4;

let last = 0;

export function tell(text, kind = "ok") {
  last += 1;
  update({ toasts: [...(store.toasts ?? []).slice(1 - MOST), { id: last, text: clipped(text), kind }] });
}

// Do something, and say what came of it: the message of the answer, or that of the error. Returns the answer or null.
export async function attempt(work, done) {
  try {
    const answer = await work();
    const text = answer?.message || done;
    if (text) tell(text);
    return answer ?? {};
  } catch (error) {
    if (error.status !== 401) tell(error.message, "bad");
    return null;
  }
}

function dismiss(id) {
  update({ toasts: (store.toasts ?? []).filter((toast) => toast.id !== id) });
}

function Toast({ toast }) {
  useEffect(() => {
    const timer = setTimeout(() => dismiss(toast.id), SHOWN[toast.kind]);
    return () => clearTimeout(timer);
  }, [toast.id]);
  return html`<div class=${`toast ${toast.kind}`}>
    <${Icon} name=${toast.kind === "ok" ? "check" : "alert"} />
    <p>${toast.text}</p>
    <button class="button quiet small icon" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}>
      <${Icon} name="close" /></button>
  </div>`;
}

export function Toasts() {
  const toasts = useStore((state) => state.toasts) ?? [];
  const box = useRef(null);
  // Shown anew each time, it lies above a dialog that was opened meanwhile.
  useLayoutEffect(() => {
    box.current.hidePopover();
    if (toasts.length) box.current.showPopover();
  }, [toasts]);
  return html`<div ref=${box} class="toasts" popover="manual">
    ${toasts.map((toast) => html`<${Toast} key=${toast.id} toast=${toast} />`)}
  </div>
  <p class="hidden-text" role="status">${toasts.at(-1)?.text}</p>`;
}
