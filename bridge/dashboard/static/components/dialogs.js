// Dialogs above the page: `await show(Component, props)` returns what the component passes to `close`.

import { html, useId, useLayoutEffect, useRef } from "../html.js";
import { store, update, useStore } from "../store.js";
import { Icon } from "./icons.js";

export function show(Shown, props = {}) {
  return new Promise((resolve) => update({ dialog: { Shown, props, resolve } }));
}

// Asks for confirmation of something that cannot be undone; returns true or undefined.
export function confirm(props) {
  return show(Question, props);
}

export function Dialogs() {
  const dialog = useStore((state) => state.dialog);
  if (!dialog) return null;
  const close = (result) => {
    if (store.dialog === dialog) update({ dialog: null });
    dialog.resolve(result);
  };
  return html`<${dialog.Shown} ...${dialog.props} close=${close} />`;
}

// The frame of a dialog; Escape and the close button close it, and the focus returns to where it was.
export function Dialog({ title, close, wide = false, children, footer }) {
  const element = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = element.current;
    shown.showModal();
    return () => {
      if (shown.open) shown.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-labelledby=${id}
    onCancel=${(event) => {
      event.preventDefault();
      close();
    }}>
    <header class="dialog-head">
      <h2 id=${id}>${title}</h2>
      <button class="button quiet small icon" aria-label="Close" onClick=${() => close()}>
        <${Icon} name="close" /></button>
    </header>
    <div class="dialog-body">${children}</div>
    ${footer && html`<footer class="dialog-foot">${footer}</footer>`}
  </dialog>`;
}

function Question({ title, text, action, danger = true, close }) {
  const footer = html`
    <button class="button" onClick=${() => close()}>Cancel</button>
    <button class=${`button ${danger ? "danger" : "primary"}`} onClick=${() => close(true)}>${action}</button>`;
  return html`<${Dialog} title=${title} close=${close} footer=${footer}><p>${text}</p><//>`;
}
