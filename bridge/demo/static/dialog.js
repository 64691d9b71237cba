// Dialogs over the page.

import { button, h } from "./dom.js";
import { texts } from "./texts.js";

function cover(title, ...content) {
  const box = h("div.ds-modal", { role: "dialog", "aria-modal": "true" }, h("h3", {}, title), ...content);
  const node = h("div.app-cover", {}, box);
  document.body.append(node);
  return node;
}

// Ask, and resolve to what the user wants.
export function confirmDialog(question, yes) {
  return new Promise((resolve) => {
    const answer = (value) => () => {
      node.remove();
      resolve(value);
    };
    const no = button(".ds-button--secondary.ds-button--s", { text: texts.cancel, onclick: answer(false) });
    const sure = button(".ds-button--primary.ds-button--s", { text: yes, onclick: answer(true) });
    const node = cover(question, h("div.ds-flex.app-edit-buttons", {}, no, sure));
  });
}

// Cover the page with news until they are closed.
export function announce() {
  const close = button(".ds-button--primary.ds-button--s", { text: texts.close, onclick: () => node.remove() });
  const node = cover(texts.newsTitle, h("p", {}, texts.news), close);
}
