// Building elements: h("div.app-row.ds-flex", {role: "button", onclick}, "text", child).

import { className } from "./markup.js";

const SVG = "http://www.w3.org/2000/svg";

export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.map(className).join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function toggleClass(node, name, on) {
  node.classList.toggle(className(name), on);
}

export function find(root, name) {
  return root.querySelector(`.${className(name)}`);
}

export function svg(d, size = 16, attributes = {}) {
  const node = document.createElementNS(SVG, "svg");
  const all = { width: size, height: size, viewBox: `0 0 ${size} ${size}`, fill: "none", ...attributes };
  for (const [name, value] of Object.entries(all)) node.setAttribute(name, value);
  for (const one of [d].flat()) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", one);
    path.setAttribute("fill", "currentColor");
    node.append(path);
  }
  return node;
}

// A button as the site's design system makes it: three nodes whose classes begin with ds-button.
export function button(spec, { icon, text, onclick, title } = {}) {
  const inner = h(`div.ds-button__icon${text ? "" : ".ds-button__icon--last-child"}`, {}, icon);
  const props = { role: "button", tabindex: "0", onclick, title };
  return h(`div.ds-button${spec}`, props, h("div.ds-button__background"), icon && inner, text);
}

export function between([least, most]) {
  return (least + Math.random() * (most - least)) * 1000;
}

// Act after so many seconds; at once where they are none, for a timer may come after the next key all the same.
export function after(range, act) {
  const wait = between(range);
  if (wait) return setTimeout(act, wait);
  act();
  return 0;
}

// A text field as React controls it: a value set past the prototype's own setter is never noticed.
export function controlled(field, onChange) {
  const { get, set } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value");
  let tracked = get.call(field);
  let state = tracked;
  Object.defineProperty(field, "value", {
    configurable: true,
    get: () => get.call(field),
    set: (value) => {
      tracked = String(value);
      set.call(field, value);
    },
  });
  const notice = () => {
    const value = get.call(field);
    if (value === tracked) return;
    tracked = state = value;
    onChange(value);
  };
  field.addEventListener("input", notice);
  field.addEventListener("change", notice);
  return {
    get value() {
      return state;
    },
    set value(value) {
      state = value;
      field.value = value;
      onChange(value);
    },
  };
}
