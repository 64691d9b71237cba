// A small Markdown renderer: blocks are compared with the last ones, so a growing text only redraws its end.

import { h } from "./dom.js";
import { texts } from "./texts.js";

const INLINE =
  /`([^`]+)`|\*\*([\s\S]+?)\*\*|\*([^*\s][^*]*?)\*|\[(citation|reference):(\d+)\]|\[([^\]]+)\]\((https?:[^)\s]+)\)/g;
const SPECIAL = /[`*[\]()\n]/;
const BULLET = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;

export class Markdown {
  #blocks = [];

  constructor(root, linkOf = () => null) {
    this.root = root;
    this.linkOf = linkOf;
  }

  render(source) {
    const blocks = splitBlocks(source);
    let same = 0;
    while (same < blocks.length && same < this.#blocks.length && equal(blocks[same], this.#blocks[same])) same++;
    const grown = same === blocks.length - 1 && this.#blocks.length === blocks.length;
    if (grown && this.#extend(blocks[same], this.#blocks[same])) {
      this.#blocks = blocks;
      return;
    }
    while (this.root.children.length > same) this.root.lastChild.remove();
    for (const block of blocks.slice(same)) this.root.append(this.#draw(block));
    this.#blocks = blocks;
  }

  // Append plain words to the last paragraph, if that is all that has changed.
  #extend(block, former) {
    const words = this.root.lastChild?.lastChild;
    if (former?.kind !== "text" || block.kind !== "text" || !block.source.startsWith(former.source)) return false;
    const added = block.source.slice(former.source.length);
    if (words?.nodeType !== Node.TEXT_NODE || SPECIAL.test(added)) return false;
    words.appendData(added);
    return true;
  }

  #draw(block) {
    if (block.kind === "code") return codeBlock(block);
    if (block.kind === "heading") return h(`h${block.level}`, {}, this.#inline(block.text));
    if (block.kind === "list") {
      const items = block.items.map((item) => h("li", {}, h("p.ds-markdown-paragraph", {}, this.#inline(item))));
      return h(block.ordered ? "ol" : "ul", block.ordered ? { start: block.start } : {}, items);
    }
    return h("p.ds-markdown-paragraph", {}, this.#inline(block.text));
  }

  #inline(text) {
    const nodes = [];
    let at = 0;
    for (const match of text.matchAll(INLINE)) {
      nodes.push(text.slice(at, match.index));
      nodes.push(this.#mark(match));
      at = match.index + match[0].length;
    }
    return [...nodes, text.slice(at)]
      .filter((node) => node !== "")
      .flatMap((n) => (typeof n === "string" ? breaks(n) : n));
  }

  #mark([, code, strong, emphasis, citing, number, label, href]) {
    if (code !== undefined) return h("code", {}, code);
    if (strong !== undefined) return h("strong", {}, this.#inline(strong));
    if (emphasis !== undefined) return h("em", {}, this.#inline(emphasis));
    if (citing === undefined) return h("a", { href, target: "_blank", rel: "noreferrer" }, label);
    const shown = Number(number) + (citing === "reference" ? 1 : 0);
    const link = { href: this.linkOf(citing, Number(number)), target: "_blank", rel: "noreferrer" };
    return h("a", link, h("span.ds-markdown-cite", {}, String(shown)));
  }
}

function equal(a, b) {
  return a.source === b.source && a.kind === b.kind;
}

function breaks(text) {
  return text.split("\n").flatMap((line, i) => (i ? [h("br"), line] : [line]));
}

export function splitBlocks(source) {
  const blocks = [];
  const lines = source.split("\n");
  for (let i = 0; i < lines.length;) {
    const taken = takeBlock(lines, i);
    if (taken.block) blocks.push({ ...taken.block, source: lines.slice(i, taken.next).join("\n") });
    i = taken.next;
  }
  return blocks;
}

function takeBlock(lines, i) {
  if (lines[i].trim() === "") return { next: i + 1 };
  if (lines[i].startsWith("```")) return takeCode(lines, i);
  const heading = /^(#{1,6})\s+(.*)$/.exec(lines[i]);
  if (heading) return { block: { kind: "heading", level: heading[1].length, text: heading[2] }, next: i + 1 };
  if (BULLET.test(lines[i])) return takeList(lines, i);
  let next = i + 1;
  while (
    next < lines.length &&
    lines[next].trim() !== "" &&
    !/^(```|#{1,6}\s)/.test(lines[next]) &&
    !BULLET.test(lines[next])
  )
    next++;
  return { block: { kind: "text", text: lines.slice(i, next).join("\n") }, next };
}

function takeCode(lines, i) {
  let end = i + 1;
  while (end < lines.length && !lines[end].startsWith("```")) end++;
  const block = { kind: "code", lang: lines[i].slice(3).trim(), text: lines.slice(i + 1, end).join("\n") };
  return { block, next: Math.min(end + 1, lines.length) };
}

function takeList(lines, i) {
  const first = BULLET.exec(lines[i]);
  const items = [];
  let next = i;
  for (let match; next < lines.length && (match = BULLET.exec(lines[next])); next++) items.push(match[2]);
  return { block: { kind: "list", ordered: first[1] !== undefined, start: first[1], items }, next };
}

function codeBlock({ lang, text }) {
  const tool = (label, onclick) =>
    h(
      "div.ds-button.ds-button--text",
      { role: "button", tabindex: "0", onclick },
      h("span.code-info-button-text", {}, label),
    );
  const banner = h(
    "div.md-code-block-banner-wrap",
    {},
    h(
      "div.md-code-block-banner",
      {},
      h("span.app-code-lang", {}, lang || "text"),
      h(
        "div.app-code-tools",
        {},
        tool(texts.copy, () => navigator.clipboard?.writeText(text)),
        tool(texts.download),
      ),
    ),
  );
  return h("div.md-code-block", {}, banner, h("pre", {}, text));
}
