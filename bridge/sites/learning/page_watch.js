// Records what the page shows during a chat, for `page_watch.py`, which calls the methods of this object by name.
// Everything is bounded; only listeners and observers are left in the page, until `end` or the end of its document.
// Numbers begin after `base`, so that those of two documents differ; `phase` is the current one of the chat.
(origin, base, phase) => {
  const MOST_NODES = 20000, MOST_TEXT = 200000, MOST_LOOKS = 400, EVERY = 60;
  const CLICKABLE = "button, a[href], input[type=submit], input[type=button], [role=button], [role=link], [tabindex], " +
    "[onclick], [class*=send i], [class*=stop i], [class*=submit i], [class*=btn i], [class*=button i], [id*=stop i], [id*=send i]";
  const EDITABLE = "textarea, input:not([type]), input[type=text], [contenteditable=''], [contenteditable=true], [contenteditable=plaintext-only]";
  const SKIPPED = new Set(["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE", "TEXTAREA", "INPUT", "SELECT", "OPTION", "SVG", "svg"]);
  const letters = text => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

  const children = node => (node.shadowRoot ? [...node.shadowRoot.childNodes, ...node.childNodes] : [...node.childNodes]);
  const parent = node => node.parentElement ?? (node.getRootNode() instanceof ShadowRoot ? node.getRootNode().host : null);
  const ancestors = node => {
    const found = [];
    for (let at = node; at && found.length < 200; at = parent(at)) found.push(at);
    return found;
  };
  const roots = () => {
    const found = [document];
    for (let at = 0; at < found.length && found.length < 100; at++)
      for (const element of found[at].querySelectorAll("*"))
        if (element.shadowRoot && found.length < 100) found.push(element.shadowRoot);
    return found;
  };
  let known = [document], knownAt = 0;
  const all = selector => {
    if (performance.now() - knownAt > 1000) [known, knownAt] = [roots(), performance.now()];
    return known.flatMap(root => [...root.querySelectorAll(selector)]).slice(0, 3000);
  };
  const isVisible = element => {
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) return false;
    return element.checkVisibility?.({visibilityProperty: true, opacityProperty: false}) ?? true;
  };

  const ATTRIBUTES = ["data-testid", "data-test", "data-test-id", "aria-label", "placeholder", "name", "role", "type", "title",
    "contenteditable", "aria-disabled", "data-state", "data-placeholder", "data-slate-editor", "data-lexical-editor", "href"];
  const drawing = element => {
    const svg = element.querySelector("svg, i[class], use");
    if (!svg) return "";
    const use = svg.querySelector("use"), shape = svg.querySelector("path, rect");
    const said = svg.getAttribute("name") || svg.getAttribute("data-icon") || use?.getAttribute("href") || use?.getAttribute("xlink:href");
    if (said) return `name:${said}`.slice(0, 60);
    if (!shape) return "";
    return shape.tagName === "rect" ? "rect:" : `path:${(shape.getAttribute("d") || "").slice(0, 24)}`;
  };
  const own = element => {
    const attributes = {};
    for (const name of ATTRIBUTES) {
      const value = element.getAttribute(name);
      if (value !== null && value.length <= 80) attributes[name] = value;
    }
    return {
      tag: element.tagName.toLowerCase(), id: element.id?.slice?.(0, 80) ?? "",
      classes: [...element.classList].slice(0, 12).map(name => name.slice(0, 60)), attributes,
    };
  };
  const describe = element => ({
    ...own(element), text: (element.innerText ?? "").trim().slice(0, 60), drawing: drawing(element),
    isDisabled: element.disabled === true || element.getAttribute("aria-disabled") === "true",
    above: ancestors(element).slice(1, 7).map(own),
  });

  // all names and descriptions of an element, visible or for assistive technology
  const LABELS = ["aria-label", "aria-placeholder", "aria-description", "placeholder", "data-placeholder", "title", "alt", "data-tooltip", "data-title"];
  const NAMED = "img[alt], svg title, [aria-label], [title], [data-placeholder], [data-slate-placeholder], [contenteditable=false]";
  const labels = element => {
    const named = one => LABELS.map(name => one.getAttribute(name));
    const referred = ["aria-labelledby", "aria-describedby"].flatMap(name => (element.getAttribute(name) ?? "").split(/\s+/).filter(Boolean).slice(0, 5))
      .map(id => element.getRootNode().getElementById?.(id)?.textContent);
    const inner = [...element.querySelectorAll(NAMED)].slice(0, 10).flatMap(one => [...named(one), one.textContent]);
    return [...named(element), ...referred, ...inner].map(text => (text ?? "").trim().slice(0, 200)).filter(Boolean);
  };

  const looks = new Map();  // a look of an element -> {key, element, facts, phases}
  const fresh = new Set();  // looks that are new, or have a new phase, since the last read
  const numbers = new WeakMap();
  let count = base, box = null, changedAt = performance.now();
  const distance = element => {
    if (!box) return 0;
    const [one, other] = [element.getBoundingClientRect(), box.getBoundingClientRect()];
    const dx = Math.max(other.left - one.right, one.left - other.right, 0), dy = Math.max(other.top - one.bottom, one.top - other.bottom, 0);
    return Math.round(Math.hypot(dx, dy));
  };
  const sample = () => {
    for (const element of all(CLICKABLE)) {
      if (!isVisible(element) || element === box || box?.contains(element) || element.contains(box)) continue;
      if (!numbers.has(element)) numbers.set(element, ++count);
      const label = element.getAttribute("aria-label") ?? "", title = element.title ?? "";
      const key = [numbers.get(element), element.id, element.className?.baseVal ?? element.className, label, title, element.textContent.length < 40 ? element.textContent : "",
        drawing(element), element.disabled, element.getAttribute("aria-disabled"), element.getAttribute("data-testid")].join("|");
      let look = looks.get(key);
      if (!look) {
        if (looks.size >= MOST_LOOKS && phase === "idle") continue;
        if (looks.size >= 4 * MOST_LOOKS) continue;
        looks.set(key, (look = {key: base + looks.size, element, number: numbers.get(element), facts: describe(element), phases: new Set(), distance: distance(element)}));
      }
      if (!look.phases.has(phase)) look.phases.add(phase), fresh.add(look);
    }
  };

  // switches, elements that may open a menu, entries of menus, and their states
  const CHECKBOX = "input[type=checkbox]";
  const SWITCH = CHECKBOX + ", [aria-pressed], [role=switch], [role=checkbox], [aria-checked]";
  const MENU = "button, [role=button], [role=combobox], [aria-haspopup], select, [role=radiogroup]";
  const ENTRY = "[role=option], [role=menuitem], [role=menuitemradio], [role=radio]", PLAIN_ENTRY = "button, li, [data-value]";
  const stateOf = element => {
    const found = element.matches(CHECKBOX) ? {checked: String(element.checked)} : {};
    for (const {name, value} of [...element.attributes].slice(0, 40))
      if (/^(aria-(pressed|checked|selected)|data-[\w-]{1,40})$/.test(name) && value.length <= 20) found[name] = value;
    return found;
  };
  const entries = () => {
    const shown = all(`${ENTRY}, ${PLAIN_ENTRY}`).filter(one => isVisible(one) && !closed.has(one));
    const named = shown.filter(one => one.matches(ENTRY));
    return (named.length ? named : shown).slice(0, 60);
  };
  let closed = new Set();  // the possible entries that were visible before a menu was opened

  // the features that decide whether a button is a moved control
  const CONTROL = "a[href], area[href], button, input, textarea, select, summary, [role=button], [role=link], [role=menuitem], [onclick], [contenteditable]";
  const FIELD = EDITABLE + ", input[type=search], input[type=email], input[type=password], input[type=tel], input[type=url], input[type=date]";
  const PERSONAL = "input[type=email], input[type=password], input[type=tel], input[type=url], input[type=date]";
  const ASIDE = "dialog, [role=dialog], [role=alertdialog], [aria-modal=true], [role=search], [role=menu], [popover]";
  const HOME = "form, " + ASIDE;
  const home = element => ancestors(element).slice(1).find(one => one.matches(HOME)) ?? null;
  const others = box => all(FIELD).filter(one => isVisible(one) && !ancestors(one).includes(box) && !ancestors(box).includes(one));
  // whether a button belongs to the text box: it is in the same form and dialog, and no other box is as near
  const isBeside = (element, fields) => {
    const around = ancestors(box), shared = ancestors(element).find(one => around.includes(one));
    return !!shared && home(element) === home(box) && !fields.some(one => ancestors(one).includes(shared));
  };
  const isOff = element => {
    if (element.matches(":disabled, [aria-disabled=true], [aria-disabled=true] *")) return true;
    return /(^|[-_\s])disabled([-_\s]|$)/i.test(element.getAttribute("class") ?? "") || getComputedStyle(element).pointerEvents === "none";
  };
  const isCovered = element => {
    const place = element.getBoundingClientRect();
    const [x, y] = [place.x + place.width / 2, place.y + place.height / 2];
    if (x < 0 || y < 0 || x > innerWidth || y > innerHeight) return false;  // it is scrolled into view before a click
    const hit = element.getRootNode().elementFromPoint?.(x, y);  // none if the element is no longer in the page
    return !(hit && element.contains(hit));
  };
  const judged = (element, fields) => {
    if (!numbers.has(element)) numbers.set(element, ++count);
    const link = ancestors(element).find(one => one.matches("a[href], area[href]"))?.href;
    const around = "button, summary, [role=button], [role=link], [role=menuitem]" + (element.matches(CHECKBOX) ? "" : ", label");
    const isNested = ancestors(element).slice(1).some(one => one.matches(around));
    const text = [element.innerText, element.tagName === "INPUT" ? element.value : ""].map(one => (one ?? "").trim().slice(0, 200)).filter(Boolean);
    return {
      element: describe(element), number: numbers.get(element), labels: [...text, ...labels(element)], distance: distance(element),
      link: String(link?.baseVal ?? link ?? (element.hasAttribute("formaction") ? element.formAction : "")).slice(0, 500),
      isOn: !isOff(element), isBeside: !!box && isBeside(element, fields),
      isPlain: !isNested && !element.querySelector(CONTROL) && !isCovered(element) && !element.matches("[aria-haspopup]:not([aria-haspopup=false]), [popovertarget]"),
    };
  };
  let sampledAt = 0, waiting = 0;
  const soon = () => {
    changedAt = performance.now();
    if (waiting) return;
    waiting = setTimeout(() => { waiting = 0; sampledAt = performance.now(); sample(); }, Math.max(0, EVERY - (performance.now() - sampledAt)));
  };
  const observer = new MutationObserver(soon);
  const observed = new WeakSet();
  const observe = () => {
    for (const root of roots())
      if (!observed.has(root)) {
        observed.add(root);
        observer.observe(root, {subtree: true, childList: true, characterData: true, attributes: true,
          attributeFilter: ["class", "disabled", "aria-label", "aria-disabled", "hidden", "style", "data-testid", "title", "id", "d", "href"]});
      }
  };
  observe();
  const timer = setInterval(() => { observe(); if (phase !== "idle") sample(); }, 250);

  // the last action of a person before the prompt was sent
  let last = "";
  const ended = new AbortController(), listening = {capture: true, signal: ended.signal};
  addEventListener("keydown", event => { if (event.key === "Enter" && event.isTrusted) last = "enter"; }, listening);
  addEventListener("pointerdown", event => {
    if (!event.isTrusted) return;
    const target = event.composedPath().find(one => one instanceof Element && one.matches(CLICKABLE));
    if (target) last = target;
  }, listening);

  // an element with `display: contents` has no box and is not visible, but its children are
  const isHidden = element => element.checkVisibility && !element.checkVisibility() && getComputedStyle(element).display !== "contents";
  const texts = () => {
    const found = [];
    let nodes = 0, length = 0;
    const walk = (node, hidden) => {
      if (++nodes > MOST_NODES || length > MOST_TEXT) return;
      if (node.nodeType === Node.TEXT_NODE) {
        if (node.data.trim()) found.push(node), (length += node.data.length);
        return;
      }
      if (node.nodeType !== Node.ELEMENT_NODE && node.nodeType !== Node.DOCUMENT_FRAGMENT_NODE) return;
      if (SKIPPED.has(node.tagName) || (node.nodeType === Node.ELEMENT_NODE && node.isContentEditable)) return;
      if (node.nodeType === Node.ELEMENT_NODE && isHidden(node)) return;
      for (const child of children(node)) walk(child);
    };
    walk(document.body ?? document.documentElement);
    return found;
  };
  let before = new Map();
  const common = nodes => {
    if (!nodes.length) return null;
    const chain = ancestors(parent(nodes[0]) ?? nodes[0].parentNode);
    return chain.find(one => nodes.every(node => ancestors(parent(node)).includes(one))) ?? null;
  };
  // the nodes of the last occurrence of `wanted`
  const saying = (nodes, wanted) => {
    if (!wanted) return [];
    const pieces = nodes.map(node => letters(node.data)), at = pieces.join("").lastIndexOf(wanted);
    if (at < 0) return [];
    const found = [];
    let place = 0;
    pieces.forEach((piece, number) => {
      if (piece && place < at + wanted.length && place + piece.length > at) found.push(nodes[number]);
      place += piece.length;
    });
    return found;
  };
  const weight = nodes => nodes.reduce((sum, node) => sum + letters(node.data).length, 0);
  // the smallest element with nearly all of the new text
  const narrowed = fresh => {
    let at = document.body ?? document.documentElement, inside = fresh;
    for (let depth = 0; depth < 200; depth++) {
      const next = children(at).filter(child => child.nodeType === Node.ELEMENT_NODE)
        .map(child => [child, inside.filter(node => ancestors(parent(node)).includes(child))])
        .find(([, held]) => weight(held) >= 0.85 * weight(inside));
      if (!next || !weight(next[1])) break;
      [at, inside] = next;
    }
    return [at, inside];
  };

  let shown = {user: null, answer: null};
  return {
    guard: () => location.origin === origin,
    editables: () => all(EDITABLE).filter(element => isVisible(element) && !element.disabled && !element.readOnly)
      .filter(element => !parent(element)?.closest?.("[contenteditable=true]")),
    holding: words => all(EDITABLE).find(one => letters(one.value ?? one.textContent).includes(letters(words))) ?? null,
    describe, drawing, isVisible,
    useBox: element => { box = element; },
    buttons: () => {
      const fields = box ? others(box) : [];
      return all(CLICKABLE).filter(one => one !== box && isVisible(one)).slice(0, MOST_LOOKS).map(one => judged(one, fields));
    },
    button: number => all(CLICKABLE).find(one => numbers.get(one) === number) ?? null,
    switches: () => {
      const fields = box ? others(box) : [];
      const found = all(`${CLICKABLE}, ${SWITCH}`).filter(one => one !== box && isVisible(one) && Object.keys(stateOf(one)).length);
      return found.slice(0, MOST_LOOKS).map(one => {
        const named = [...(one.labels ?? [])].map(label => label.textContent.trim().slice(0, 200));
        const said = judged(one, fields);
        return {...said, labels: [...said.labels, ...named], state: stateOf(one)};
      });
    },
    menus: () => all(MENU).filter(one => one !== box && isVisible(one) && !one.contains(box)).slice(0, MOST_LOOKS).map(one => {
      const said = judged(one, []), radios = [...one.querySelectorAll("[role=radio]")].filter(isVisible).length;
      return {...said, popup: one.getAttribute("aria-haspopup") ?? "", radios};
    }),
    control: number => all(`${CLICKABLE}, ${SWITCH}, ${MENU}, ${ENTRY}, ${PLAIN_ENTRY}`).find(one => numbers.get(one) === number) ?? null,
    stateOf,
    beforeMenu: () => { closed = new Set(all(`${ENTRY}, ${PLAIN_ENTRY}`).filter(isVisible)); },
    inGroup: group => { closed = new Set(all(`${ENTRY}, ${PLAIN_ENTRY}`).filter(one => !group.contains(one))); },
    entries: () => entries().map(one => {
      if (!numbers.has(one)) numbers.set(one, ++count);
      return {...describe(one), number: numbers.get(one), name: (one.innerText ?? "").split(/\s+/).join(" ").trim().slice(0, 200), state: stateOf(one)};
    }),
    labels: element => [...labels(element), ...[...(element.labels ?? [])].map(one => one.textContent.trim().slice(0, 200)),
      ...[...(element.parentElement?.children ?? [])].filter(one => one !== element && /placeholder/i.test(one.getAttribute("class") ?? "")).map(one => one.textContent.trim().slice(0, 200))],
    isElsewhere: element => {
      const above = ancestors(element), form = above.find(one => one.matches("form"));
      return above.some(one => one.matches(ASIDE)) || others(element).some(one => (form ? form.contains(one) : one.matches(PERSONAL)));
    },
    overlay: () => {
      const named = all("[role=dialog], [role=alertdialog], dialog[open], [class*=modal i], [class*=dialog i], [class*=popup i]")
        .filter(one => isVisible(one) && !ancestors(box).includes(one) && one.querySelector("button, [role=button], a, [class*=close i]"));
      const place = box.getBoundingClientRect();
      const hit = document.elementFromPoint(place.x + place.width / 2, place.y + place.height / 2);
      return named.find(one => hit && ancestors(hit).includes(one)) ?? named[0] ?? null;
    },
    boxText: () => (box && box.isConnected ? (box.value ?? box.textContent ?? "").length : -1),
    mark: (...names) => {
      for (const name of names) {
        if (phase !== "idle") sample();
        phase = name;
        sample();
      }
    },
    remember: () => { before = new Map(texts().map(node => [node, node.data])); },
    freshLooks: () => {
      const found = [...fresh];
      fresh.clear();
      return found.map(({facts, key, number, distance, phases}) => ({...facts, key, number, distance, phases: [...phases]}));
    },
    element: number => [...looks.values()].reverse().find(look => look.number === number && look.element.isConnected)?.element ?? null,
    sender: () => (last instanceof Element ? describe(last) : last),
    quiet: () => (performance.now() - changedAt) / 1000,
    length: () => texts().reduce((sum, node) => sum + node.data.length, 0),
    answer: (prompt, wanted) => {
      const nodes = texts(), user = saying(nodes, letters(prompt));
      const rest = nodes.filter(node => !user.includes(node) && before.get(node) !== node.data);
      const behind = user.length ? rest.filter(node => user.at(-1).compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING) : rest;
      const fresh = weight(behind) >= 0.6 * weight(rest) ? behind : rest;
      const [place, inside] = narrowed(fresh);
      shown = {user: common(user), answer: inside.length ? place : null};
      return inside.map(node => node.data).join("\n").slice(0, MOST_TEXT);
    },
    messages: () => ["user", "answer"].map(name => (shown[name] ? ancestors(shown[name]).slice(0, 6).map(describe) : [])),
    stored: () => Object.keys(localStorage).filter(key => key.length < 80 && localStorage.getItem(key)).slice(0, 200),
    end: () => { ended.abort(); observer.disconnect(); clearInterval(timer); clearTimeout(waiting); },
  };
}
