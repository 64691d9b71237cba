// Finds the controls of the DeepSeek page. Each is looked for in several ways, the most stable first; `by` says
// which one found it. Works on whatever the page shows now and changes nothing, but for `fill`.
(() => {
  const visible = element => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(element).visibility !== "hidden";
  };
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const text = element => (element.innerText || element.textContent || "").trim();
  const first = ways => {
    for (const [by, find] of ways) {
      const element = find();
      if (element) return {element, by};
    }
    return {element: null, by: ""};
  };

  // the box in which an earlier message is edited stands in a .ds-textarea; the composer does not
  const boxes = () => all("textarea").filter(box => visible(box) && !box.closest(".ds-textarea"));
  const composer = () => first([
    ["placeholder", () => boxes().find(box => /deepseek/i.test(box.placeholder))],
    ["id", () => boxes().find(box => box.id === "chat-input")],
    ["only textarea", () => boxes().length === 1 ? boxes()[0] : null],
  ]);

  const SEND = "M8.3125", STOP = "M2 4.88";
  const around = () => {
    let place = composer().element?.parentElement;
    while (place && place !== document.body && !place.querySelector("[role=button] svg, button svg")) place = place.parentElement;
    return place;
  };
  const buttons = () => {
    const place = around();
    return place ? all("[role=button], button", place).filter(one => visible(one) && !/toggle/.test(one.className)) : [];
  };
  const icon = button => button.querySelector("svg path")?.getAttribute("d") || "";
  const send = () => first([
    ["primary circle class", () => buttons().find(one => one.matches(".ds-button--primary.ds-button--circle"))],
    ["icon", () => buttons().find(one => icon(one).startsWith(SEND) || icon(one).startsWith(STOP))],
    ["primary class", () => buttons().filter(one => one.matches(".ds-button--primary")).pop()],
    ["last button of the composer", () => buttons().filter(one => one.querySelector("svg")).pop()],
  ]);

  const toggles = () => all(".ds-toggle-button, [role=button][aria-pressed], button[aria-pressed]").filter(visible);
  const toggle = (pattern, place) => first([
    ["text", () => toggles().find(one => pattern.test(text(one)))],
    ["order", () => toggles().length === 2 ? toggles()[place] : null],
  ]);
  const thinking = () => toggle(/deep\s*think|深度思考/i, 0);
  const search = () => toggle(/search|搜索/i, 1);
  const isOn = one => one.hasAttribute("aria-pressed")
    ? one.getAttribute("aria-pressed") === "true" : /--selected/.test(one.className);
  // the page keeps the switches here as a bare or wrapped boolean, and shows them late
  const stored = name => {
    try {
      const value = JSON.parse(localStorage.getItem(name + "Enabled"));
      return typeof value?.value === "boolean" ? value.value : typeof value === "boolean" ? value : null;
    } catch {
      return null;
    }
  };

  const newChat = () => first([
    ["text", () => all("[tabindex='0'], [role=button], button, a").filter(visible)
      .find(one => /^(new chat|开启新对话|新对话)$/i.test(text(one)))],
    ["label", () => all("[aria-label], [title]").filter(visible)
      .find(one => /new chat|新对话/i.test(one.getAttribute("aria-label") || one.getAttribute("title")))],
  ]);

  const messages = () => all(".ds-message, [data-virtual-list-item-key]").length;
  const last = () => {
    const rows = all("[data-virtual-list-item-key]");
    return `${messages()}:${rows.length ? rows[rows.length - 1].dataset.virtualListItemKey : ""}`;
  };
  const inConversation = () => /\/a\/chat\/s\//.test(location.pathname);
  const signedOut = () => /\/sign_in/.test(location.pathname)
    || all(".ds-sign-in-form__main, .ds-sign-in-form-wrapper, .ds-auth-form-wrapper, input[type=password]").some(visible);
  const mutedText = () => composer().element ? "" : all(".ds-alert--warning, .ds-alert").filter(visible).map(text).join(" ");
  // the banner gives the time as this browser's clock shows it; seconds since 1970
  const moment = shown => {
    const [, year, month, day, hour, minute] = shown.match(/(\d{4})\D{1,3}(\d{1,2})\D{1,3}(\d{1,2})\D{1,4}(\d{1,2}):(\d{2})/) || [];
    return year ? new Date(year, month - 1, day, hour, minute).getTime() / 1000 : null;
  };
  const challenged = () => /just a moment/i.test(document.title)
    || all("#challenge-container, #captcha-container, script[src*='awswaf'], iframe[src*='captcha'], iframe[src*='challenge']").length > 0;

  return {
    composer: () => composer().element,
    send: () => send().element,
    thinking: () => thinking().element,
    search: () => search().element,
    newChat: () => newChat().element,
    // what stands in the way of a prompt, or null while the page is not done yet
    state: () => {
      if (signedOut()) return {is: "signed out"};
      if (composer().element) return document.readyState === "complete" ? {is: "ready"} : null;
      const muted = mutedText();
      return muted ? {is: "muted", text: muted, until: moment(muted)} : null;
    },
    challenged,
    isEmpty: () => !inConversation() && messages() === 0 && !!composer().element,
    // whether a switch is on: as stored, or as shown; null where there is no such switch
    isOn: (name, asShown) => {
      const {element} = {thinking, search}[name]();
      return element ? (asShown ? null : stored(name)) ?? isOn(element) : null;
    },
    holds: id => location.pathname.endsWith("/" + id) && messages() > 0 && !!composer().element,
    row: id => all(`a[href$="/a/chat/s/${CSS.escape(id)}"]`).find(visible) || null,
    last,
    // puts `prompt` into the composer unless it is there, or the page has taken it: then the last message is no
    // more the one of `before`; returns what it did, and the last message
    fill: (prompt, before) => {
      const {element} = composer();
      if (!element) return ["missing", last()];
      if (element.value !== prompt) {
        if (element.value === "" && before !== null && before !== last()) return ["taken", last()];
        const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
        set.call(element, prompt);
        element.dispatchEvent(new InputEvent("input", {bubbles: true, inputType: "insertText"}));
      }
      element.focus();
      return ["filled", last()];
    },
    clear: () => {
      const {element} = composer();
      if (!element || !element.value) return;
      Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(element, "");
      element.dispatchEvent(new InputEvent("input", {bubbles: true, inputType: "deleteContentBackward"}));
    },
    controls: () => Object.fromEntries(
      Object.entries({composer, send, thinking, search, "new chat": newChat}).map(([name, find]) => [name, find().by])
    ),
  };
})()
