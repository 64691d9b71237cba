// Finds native controls, whose popup the browser draws in a window of its own, outside the screencast.
(() => {
  const PICKED = ["date", "time", "datetime-local", "month", "week", "color"];
  const TYPED = ["text", "search", "url", "tel", "email", "number"];
  const MOST = 5000;
  const MOST_SUGGESTED = 1000, MOST_TYPED = 2000;
  const short = (text, length = 300) => String(text ?? "").replace(/\s+/g, " ").trim().slice(0, length);

  const isFrame = (element) => element instanceof HTMLIFrameElement || element instanceof HTMLFrameElement;

  // Returns the element at a point, also inside shadow roots; for the label of a colour input, that input.
  const at = ([x, y]) => {
    let root = document, found = null;
    for (let depth = 0; depth < 20; depth++) {
      const element = root.elementFromPoint(x, y);
      if (!element || element === found) break;
      found = element;
      if (!element.shadowRoot) break;
      root = element.shadowRoot;
    }
    const labelled = found?.closest?.("label")?.control;
    return labelled instanceof HTMLInputElement && labelled.type === "color" ? labelled : found?.closest?.("select") ?? found;
  };

  // Returns the focused element, also inside shadow roots.
  const active = () => {
    let found = document.activeElement;
    for (let depth = 0; depth < 20 && found?.shadowRoot?.activeElement; depth++) found = found.shadowRoot.activeElement;
    return found;
  };

  // Returns the control whose popup is open, or the focused frame, which may contain one.
  const opened = () => {
    const found = document.querySelector("select:open, input:open");
    return found ?? (isFrame(document.activeElement) ? document.activeElement : null);
  };

  // Focuses a control. No command closes an open popup, so the control is hidden for a moment, which closes it.
  const focus = (element) => {
    if (element.matches("select:open, input:open")) {
      const { display } = element.style;
      element.style.display = "none";
      element.getBoundingClientRect();
      element.style.display = display;
    }
    element.focus();
  };

  const labelOf = (element) =>
    short(element.getAttribute("aria-label") || [...(element.labels ?? [])].map((one) => one.textContent).join(" ") ||
      element.name || "", 100);

  const options = (select) =>
    [...select.options].slice(0, MOST).map((one) => ({
      text: short(one.label || one.text),
      group: one.parentElement instanceof HTMLOptGroupElement ? short(one.parentElement.label, 100) : "",
      disabled: one.disabled || (one.parentElement instanceof HTMLOptGroupElement && one.parentElement.disabled),
      selected: one.selected,
    }));

  // Returns the suggestions of a datalist.
  const suggested = (list) =>
    [...list.options].filter(({ disabled, value }) => !disabled && value && value.length <= 300).slice(0, MOST_SUGGESTED)
      .map(({ value, label }) => ({ value, text: short(label) }));

  // Describes an element: a frame with the origin of its page, a control that the viewer shows, or null.
  const describe = (element) => {
    if (!(element instanceof Element)) return null;
    const box = element.getBoundingClientRect();
    const place = { x: box.left, y: box.top, width: box.width, height: box.height };
    if (isFrame(element)) return { kind: "frame", x: box.left + element.clientLeft, y: box.top + element.clientTop };
    if (element.disabled || element.readOnly) return null;
    if (element instanceof HTMLSelectElement && !element.multiple && element.size <= 1)
      return { kind: "select", label: labelOf(element), options: options(element), ...place };
    if (!(element instanceof HTMLInputElement)) return null;
    const { type, value, min, max, step, list } = element;
    if (list && TYPED.includes(type))
      return { kind: "list", mode: type === "number" ? "decimal" : type, label: labelOf(element), value: value.slice(0, MOST_TYPED), options: suggested(list), ...place };
    if (!PICKED.includes(type)) return null;
    const limits = { min: short(min, 40), max: short(max, 40), step: short(step, 40) };
    return { kind: type, label: labelOf(element), value: short(value, 40), ...limits, ...place };
  };

  // Returns the selected text, never that of a password field.
  const selection = () => {
    const element = active();
    if (element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement) {
      if (element.type === "password") return "";
      if (element.selectionStart !== null) return element.value.slice(element.selectionStart, element.selectionEnd);
    }
    return String(getSelection() ?? "");
  };

  return { at, active, opened, focus, describe, selection };
})()
