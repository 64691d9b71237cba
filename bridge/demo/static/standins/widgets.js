// Menus, switches, dialogs and messages of a page.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

export function element(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim().replace(/>\s+</g, "><");
  return holder.content.firstElementChild;
}

// A menu that its trigger opens and closes. `escape`: whether Escape closes it, too.
export function menu(trigger, list, { escape = true, opens = () => {} } = {}) {
  list.hidden = true;
  trigger.addEventListener("click", () => {
    list.hidden = !list.hidden;
    if (!list.hidden) opens();
  });
  if (escape) document.addEventListener("keydown", (event) => event.key === "Escape" && (list.hidden = true));
  return { close: () => (list.hidden = true) };
}

// A list that opens beside an entry that the mouse points at; not while the menu around it still moves.
export function hoverMenu(entry, list, { after = 0 } = {}) {
  list.hidden = true;
  let from = 0;
  entry.addEventListener("mouseenter", () => {
    if (performance.now() - from > after) list.hidden = false;
  });
  return { opened: () => ((from = performance.now()), (list.hidden = true)) };
}

// One of several entries is chosen, which its class says.
export function choice(entries, name, chosen, changed = () => {}) {
  const mark = () => entries.forEach((entry) => entry.classList.toggle(name, entry === chosen));
  entries.forEach((entry) =>
    entry.addEventListener("click", () => {
      chosen = entry;
      mark();
      changed(entry);
    }),
  );
  mark();
}

// A switch whose attribute says whether it is on.
export function toggle(node, attribute, changed) {
  node.addEventListener("click", () => {
    const on = node.getAttribute(attribute) !== "true";
    node.setAttribute(attribute, on);
    changed(on);
  });
}

export function dialog(html, closes) {
  const node = element(`<div class="dialog"><div>${html}</div></div>`);
  document.body.append(node);
  $(closes, node).addEventListener("click", () => node.remove());
  return node;
}

export function toast(text, name = "toast") {
  const node = element(`<div class="${name} toast" role="alert"></div>`);
  node.textContent = text;
  document.body.append(node);
  setTimeout(() => node.remove(), 5000);
}
