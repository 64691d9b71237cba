// A virtual DOM: what is to be shown is described again each time, compared with what was, and the document patched.

import { className } from "./markup.js";

// A node is a string, or {tag, classes, text, children}; `text` is the plain content of a leaf.
export function tree(spec, ...children) {
  const [tag, ...classes] = spec.split(".");
  return { tag, classes: classes.map(className).join(" "), children: children.flat() };
}

// Make the children of an element those of `next`; `former` is what it shows now.
export function patchChildren(element, former, next) {
  for (let i = 0; i < next.length; i++) {
    if (i >= former.length) element.append(build(next[i]));
    else patch(element.childNodes[i], former[i], next[i]);
  }
  for (let i = former.length; i > next.length; i--) element.lastChild.remove();
}

function patch(node, former, next) {
  if (typeof next === "string" || typeof former === "string") {
    if (typeof next !== typeof former) node.replaceWith(build(next));
    else if (next !== former) node.data = next;
  } else if (former.tag !== next.tag) node.replaceWith(build(next));
  else {
    if (former.classes !== next.classes) node.className = next.classes;
    patchChildren(node, former.children, next.children);
  }
}

function build(described) {
  if (typeof described === "string") return document.createTextNode(described);
  const node = document.createElement(described.tag);
  if (described.classes) node.className = described.classes;
  node.append(...described.children.map(build));
  return node;
}
