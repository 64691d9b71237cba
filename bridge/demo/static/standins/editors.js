// Text boxes as pages have them: a plain one, and rich editors, which keep the text themselves and redraw it.

export function textArea(box, { onChange, onKey }) {
  box.addEventListener("input", onChange);
  box.addEventListener("keydown", onKey);
  return {
    text: () => box.value,
    clear() {
      box.value = "";
      onChange();
    },
  };
}

// A rich editor takes what is typed or pasted from `beforeinput` and `paste`. What else changes its elements is undone:
// whoever writes into them has written nothing. `keeps`: characters left of a text that is written in two pieces.
export function richText(box, { onChange, onKey, line = plainLine, keeps = Infinity }) {
  let text = "";
  const watch = new MutationObserver(() => draw());

  function draw() {
    watch.disconnect();
    box.replaceChildren(...text.split("\n").map(line));
    if (document.activeElement === box) moveToEnd(box);
    watch.observe(box, { childList: true, subtree: true, characterData: true });
  }

  function change(next) {
    text = next;
    draw();
    onChange();
  }

  function insert(piece) {
    const whole = isAllSelected(box) ? piece : text + piece;
    const isSecond = text && whole.length > piece.length;
    change(isSecond && whole.length > keeps ? whole.slice(0, keeps) : whole);
  }

  box.addEventListener("beforeinput", (event) => {
    event.preventDefault();
    if (event.inputType === "insertParagraph" || event.inputType === "insertLineBreak") insert("\n");
    else if (event.inputType.startsWith("delete")) change(isAllSelected(box) ? "" : text.slice(0, -1));
    else insert(event.data ?? event.dataTransfer?.getData("text/plain") ?? "");
  });
  box.addEventListener("paste", (event) => {
    event.preventDefault();
    insert(event.clipboardData.getData("text/plain"));
  });
  box.addEventListener("keydown", onKey);
  draw();
  return { text: () => text, clear: () => change("") };
}

export function plainLine(text) {
  const line = document.createElement("p");
  line.append(text || document.createElement("br"));
  return line;
}

export function spanLine(name, attributes = {}) {
  return (text) => {
    const line = document.createElement(name);
    const span = document.createElement("span");
    for (const [key, value] of Object.entries(attributes)) span.setAttribute(key, value);
    span.append(text || document.createElement("br"));
    line.append(span);
    return line;
  };
}

function moveToEnd(box) {
  const selection = getSelection();
  selection.selectAllChildren(box);
  selection.collapseToEnd();
}

function isAllSelected(box) {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return false;
  return selection.toString().replace(/\s/g, "").length >= box.innerText.replace(/\s/g, "").length;
}
