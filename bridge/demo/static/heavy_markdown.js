// Markdown as many front ends draw it: the whole text is parsed, its code highlighted, and all compared, at every change.

import { splitBlocks } from "./markdown.js";
import { patchChildren, tree } from "./tree.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((?:https?:[^)\s]+)\)/g;
const CODE =
  /(?<comment>#.*|\/\/.*)|(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?<number>\b\d+(?:\.\d+)?\b)|(?<word>[A-Za-z_]\w*)|(?<mark>[-+*/%=<>!&|^~@:.,;()[\]{}]+)/g;
const KEYWORDS = new Set("and as async await break class const def elif else export for from function if import in let new not or pass raise return self try while with yield".split(" "));

export class HeavyMarkdown {
  #shown = [];

  constructor(root) {
    this.root = root;
  }

  render(source) {
    const described = describe(source);
    patchChildren(this.root, this.#shown, described);
    this.#shown = described;
  }
}

export function describe(source) {
  return splitBlocks(source).map(block);
}

function block({ kind, lang, level, text, items, ordered }) {
  if (kind === "code") return tree("div.md-code-block", tree("div.md-code-block-banner", lang), tree("pre", lines(text)));
  if (kind === "heading") return tree(`h${level}`, inline(text));
  const paragraph = (words) => tree("p.ds-markdown-paragraph", inline(words));
  if (kind === "list") return tree(ordered ? "ol" : "ul", items.map((item) => tree("li", paragraph(item))));
  return paragraph(text);
}

function inline(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, strong, emphasis, label] = match;
    nodes.push(text.slice(at, match.index), code ? tree("code", code) : strong ? tree("strong", strong) : tree(label ? "a" : "em", label ?? emphasis));
    at = match.index + whole.length;
  }
  return [...nodes, text.slice(at)].filter((node) => node !== "");
}

// Each line of code is an element, and each word of it one in there, as highlighters draw them.
function lines(text) {
  return text.split("\n").map((line) => tree("div.app-code-line", highlighted(line)));
}

function highlighted(line) {
  const nodes = [];
  let at = 0;
  for (const match of line.matchAll(CODE)) {
    nodes.push(line.slice(at, match.index), tree(`span.app-code-${kindOf(match)}`, match[0]));
    at = match.index + match[0].length;
  }
  return [...nodes, line.slice(at)].filter((node) => node !== "");
}

function kindOf({ groups }) {
  const kind = Object.keys(groups).find((name) => groups[name] !== undefined);
  return kind === "word" && KEYWORDS.has(groups.word) ? "keyword" : kind;
}
