// The list of messages: only rows near the visible part are in the document.

import { h } from "./dom.js";

const OVERSCAN = 300;
const GUESS = 120;
// Somewhat rarer than the stream is heard of (every 50 ms by XHR), as a front end that is kind to its machine does it.
const REDRAW_MS = 75;

export class VirtualList {
  #entries = [];
  #heights = new Map();
  #rows = new Map();
  #pinned = true;
  #planned = false;
  #restUntil = 0;
  #scrolledTo = 0;

  // Rows are made by `draw(entry)`, which returns {node, update()}.
  constructor(draw) {
    this.draw = draw;
    this.visible = h("div.ds-virtual-list-visible-items");
    this.items = h("div.ds-virtual-list-items.app-items", {}, this.visible);
    this.root = h(
      "div.ds-virtual-list.ds-virtual-list--printable.ds-scroll-area.app-list",
      { onscroll: () => this.#scrolled() },
      this.items,
    );
    new ResizeObserver(() => this.#plan()).observe(this.root);
  }

  set(entries) {
    for (const entry of this.#rows.keys()) if (!entries.includes(entry)) this.#remove(entry);
    this.#entries = [...entries];
    this.#layout();
  }

  // Redraw one row soon.
  touch(entry) {
    entry.stale = true;
    this.#plan();
  }

  pin() {
    this.#notice();
    this.#pinned = true;
    this.#plan();
  }

  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    const draw = () => {
      this.#planned = false;
      this.#layout();
    };
    const early = this.#restUntil - performance.now();
    if (early > 0) setTimeout(draw, early);
    else requestAnimationFrame(draw);
  }

  #scrolled() {
    if (this.#notice()) this.#plan();
  }

  // Take note of where the user has scrolled to; tells whether that is news.
  #notice() {
    const { scrollTop, scrollHeight, clientHeight } = this.root;
    if (scrollTop === this.#scrolledTo) return false;
    this.#scrolledTo = scrollTop;
    this.#pinned = scrollHeight - scrollTop - clientHeight < 40;
    return true;
  }

  #layout() {
    const begun = performance.now();
    this.#notice();
    for (let round = 0; round < 3 && this.#mount(); round++);
    if (this.#pinned) this.root.scrollTop = this.root.scrollHeight;
    this.#scrolledTo = this.root.scrollTop;
    this.#restUntil = begun + Math.max(REDRAW_MS, 5 * (performance.now() - begun));
  }

  // Put the rows that should be seen into the document; tells whether heights have changed.
  #mount() {
    const offsets = this.#offsets();
    const total = offsets.at(-1);
    const height = this.root.clientHeight || 600;
    const top = this.#pinned ? Math.max(0, total - height) : this.root.scrollTop;
    const shown = this.#entries.filter(
      (_, i) => offsets[i + 1] >= top - OVERSCAN && offsets[i] <= top + height + OVERSCAN,
    );
    for (const entry of [...this.#rows.keys()]) if (!shown.includes(entry)) this.#remove(entry);
    shown.forEach((entry, i) => this.#place(entry, i));
    const first = this.#entries.indexOf(shown[0]);
    this.items.style.paddingTop = `${shown.length ? offsets[first] : 0}px`;
    this.items.style.paddingBottom = `${shown.length ? total - offsets[first + shown.length] : 0}px`;
    return this.#measure(shown);
  }

  #offsets() {
    const offsets = [0];
    for (const entry of this.#entries) offsets.push(offsets.at(-1) + (this.#heights.get(entry) ?? GUESS));
    return offsets;
  }

  #place(entry, index) {
    let row = this.#rows.get(entry);
    if (!row) this.#rows.set(entry, (row = this.draw(entry)));
    else if (entry.stale) row.update();
    entry.stale = false;
    if (this.visible.children[index] !== row.node)
      this.visible.insertBefore(row.node, this.visible.children[index] ?? null);
  }

  #remove(entry) {
    this.#rows.get(entry)?.node.remove();
    this.#rows.delete(entry);
  }

  #measure(shown) {
    let changed = false;
    for (const entry of shown) {
      const height = this.#rows.get(entry).node.offsetHeight;
      changed ||= Math.abs((this.#heights.get(entry) ?? GUESS) - height) > 1;
      this.#heights.set(entry, height);
    }
    return changed;
  }
}
