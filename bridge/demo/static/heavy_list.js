// The list of messages of a heavy page: a long conversation that stands in the document whole, and is drawn at every piece.

import { h } from "./dom.js";
import { describe } from "./heavy_markdown.js";
import { patchChildren, tree } from "./tree.js";

const EARLIER = 60;
const SAMPLE = `## What part %N% of it does

The server keeps **one queue** for each account, and *every* request waits there until the page is free. See
\`Pool.chat\` for the details, or [the guide](https://example.com/guide):

1. The request is read, and its fields are checked one by one.
2. A worker takes it, types the prompt, and waits for the answer.
3. Whatever comes is handed on at once, token by token.

\`\`\`python
class Queue:
    """Holds what waits, the oldest first."""

    def take(self, number: int = %N%) -> str:
        for name, item in self.items():
            if item.number >= number and name != "none":  # somebody else has it
                return f"{name}: {item}"
        raise LookupError("nothing waits")
\`\`\`

That is all there is to say of it, but for one thing: nothing is lost where two of them come at the same time.
`;

export class HeavyList {
  #entries = [];
  #rows = new Map();
  #pinned = true;
  #planned = false;
  #shown = [];

  // Rows are made by `draw(entry)`, which returns {node, update()}.
  constructor(draw) {
    this.draw = draw;
    this.earlier = h("div.app-earlier");
    this.visible = h("div.ds-virtual-list-visible-items");
    this.items = h("div.ds-virtual-list-items.app-items", {}, this.earlier, this.visible);
    this.root = h("div.ds-virtual-list.ds-scroll-area.app-list", { onscroll: () => this.#notice() }, this.items);
    this.channel = new MessageChannel(); // React's scheduler draws in a task of its own, not in a frame
    this.channel.port1.onmessage = () => this.#layout();
  }

  set(entries) {
    this.#entries = [...entries];
    for (const [entry, row] of this.#rows) if (!entries.includes(entry)) this.#remove(entry, row);
    this.#plan();
  }

  // Redraw soon.
  touch(entry) {
    entry.stale = true;
    this.#plan();
  }

  pin() {
    this.#pinned = true;
    this.#plan();
  }

  #plan() {
    if (!this.#planned) this.channel.port2.postMessage(null);
    this.#planned = true;
  }

  #notice() {
    const { scrollTop, scrollHeight, clientHeight } = this.root;
    this.#pinned = scrollHeight - scrollTop - clientHeight < 40;
  }

  #layout() {
    this.#planned = false;
    const earlier = this.#entries.length ? conversation() : [];
    patchChildren(this.earlier, this.#shown, earlier);
    this.#shown = earlier;
    this.#entries.forEach((entry, i) => this.#place(entry, i));
    if (this.#pinned) this.root.scrollTop = this.root.scrollHeight;
  }

  #place(entry, index) {
    let row = this.#rows.get(entry);
    if (!row) this.#rows.set(entry, (row = this.draw(entry)));
    else if (entry.stale) row.update();
    entry.stale = false;
    if (this.visible.children[index] !== row.node)
      this.visible.insertBefore(row.node, this.visible.children[index] ?? null);
  }

  #remove(entry, row) {
    row.node.remove();
    this.#rows.delete(entry);
  }
}

// What stands above the prompt: the messages before it, parsed once, and compared each time.
const parsed = Array.from({ length: EARLIER }, (_, number) => describe(SAMPLE.replaceAll("%N%", String(number))));

function conversation() {
  return parsed.map((message) => tree("div.app-row", tree("div.ds-markdown", message)));
}
