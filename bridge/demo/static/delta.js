// The state a stream of patches describes; path and operation stick from one patch to the next.

export class DeltaParser {
  #path = "";
  #op = "SET";

  constructor(state = {}, prefix = "") {
    this.state = state;
    this.prefix = prefix;
  }

  feed({ p, o, v }) {
    this.#op = o ?? this.#op;
    this.#path = p ?? this.#path;
    const path = this.prefix + this.#path;
    if (this.#op === "BATCH") {
      const inner = new DeltaParser(this.state, `${path}/`);
      for (const item of v) inner.feed(item);
    } else if (path === "") this.state = v;
    else this.#apply(path.split("/"), v);
  }

  #apply(parts, value) {
    const last = parts.pop();
    const target = parts.reduce((node, part) => node?.[keyOf(node, part)], this.state);
    if (target === undefined || target === null) return;
    const key = keyOf(target, last);
    if (this.#op !== "APPEND") target[key] = value;
    else if (Array.isArray(target[key])) target[key].push(...value);
    else target[key] = (target[key] ?? "") + value;
  }
}

function keyOf(node, part) {
  if (!Array.isArray(node)) return part;
  const index = Number(part);
  return index < 0 ? node.length + index : index;
}
