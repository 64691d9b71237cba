// Finds the controls of the DeepSeek page. Each is looked up in several ways, the most stable first; `by` names
// the way that found it. Reads the page as it is now and changes nothing, except `fill` and `clear`.
(() => {
  const visible = element => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(element).visibility !== "hidden";
  };
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const text = element => (element.innerText || element.textContent || "").trim();
  const name = element => [text(element), element.getAttribute("aria-label"), element.title].filter(Boolean).join(" ");
  const first = ways => {
    for (const [by, find] of ways) {
      const element = find();
      if (element) return {element, by};
    }
    return {element: null, by: ""};
  };
  const BUTTON = "button, [role=button], input[type=submit]";
  // buttons, and elements that look like buttons to a person
  const pressable = root => {
    const found = all(BUTTON, root).filter(visible);
    const drawn = all("svg", root).map(one => one.parentElement.closest("div, span, a"))
      .filter(one => one && root.contains(one) && visible(one) && getComputedStyle(one).cursor === "pointer");
    return [...new Set([...found, ...drawn.filter(one => !found.some(other => other.contains(one)))])];
  };

  // the box that edits an earlier message is inside a .ds-textarea or the list; the composer is not
  const boxes = () => all("textarea").filter(box => visible(box) && !box.readOnly && !box.disabled
    && !box.closest(".ds-textarea, [data-virtual-list-item-key], .ds-message, [role=dialog], dialog"));
  const lowest = found => found.reduce(
    (low, one) => low && low.getBoundingClientRect().bottom > one.getBoundingClientRect().bottom ? low : one, null);
  // a hidden textarea only measures the height of another one's text
  const areSeveral = place => all("textarea", place).filter(visible).length > 1;
  const beside = (box, selector) => {
    for (let at = box.parentElement, up = 0; at && at !== document.body && up < 6; at = at.parentElement, up++) {
      if (areSeveral(at)) return false;
      if (at.querySelector(selector)) return true;
    }
    return false;
  };
  const composer = () => first([
    ["placeholder", () => lowest(boxes().filter(box => /deepseek/i.test(box.placeholder)))],
    ["id", () => boxes().find(box => box.id === "chat-input")],
    ["only textarea", () => boxes().length === 1 ? boxes()[0] : null],
    ["file input beside it", () => lowest(boxes().filter(box => beside(box, "input[type=file]")))],
    ["switches beside it", () => lowest(boxes().filter(box => beside(box, "[aria-pressed]")))],
    ["lowest textarea", () => lowest(boxes())],
  ]);

  // the composer's container: the outermost ancestor that is not much higher and holds no other text box
  const around = () => {
    const {element} = composer();
    let place = element?.parentElement;
    const highest = element ? element.getBoundingClientRect().height + 200 : 0;
    for (let next = place?.parentElement; next && next !== document.body; next = next.parentElement) {
      if (next.getBoundingClientRect().height > highest || areSeveral(next)) break;
      place = next;
    }
    return place;
  };
  const isToggle = one => /toggle/.test(one.className) || one.hasAttribute("aria-pressed");
  const buttons = () => {
    const place = around();
    return place ? pressable(place).filter(one => !isToggle(one)) : [];
  };
  const SEND_OR_STOP = /^(M8\.3125|M2 4\.88)/, STOP = /^M2 4\.88/;
  const drawing = svg => svg?.querySelector("path")?.getAttribute("d") || "";
  const icon = button => drawing(button.querySelector("svg"));
  const NO_COMPOSER = "[data-virtual-list-item-key], .ds-message, [role=dialog], dialog";
  // a disabled button may have neither the role nor the cursor of one, but still has its icon
  const drawnAs = (pattern, root) => {
    const svg = root && all("svg", root).filter(one => visible(one) && pattern.test(drawing(one)) && !one.closest(NO_COMPOSER)).pop();
    const holder = svg && (svg.closest(BUTTON) ?? svg.parentElement.closest("div, span, a"));
    return holder?.querySelector("textarea") ? svg : holder;
  };
  const send = () => first([
    ["primary circle class", () => buttons().find(one => one.matches(".ds-button--primary.ds-button--circle"))],
    ["icon", () => drawnAs(SEND_OR_STOP, around())],
    ["label", () => buttons().find(one => /\b(send|stop)\b|发送|停止/i.test(name(one)))],
    ["submit", () => buttons().find(one => one.type === "submit" && one.form?.contains(composer().element))],
    ["primary class", () => buttons().filter(one => one.matches(".ds-button--primary")).pop()],
    ["last button with an icon", () => buttons().filter(one => one.querySelector("svg")).pop()],
    ["last button", () => buttons().pop()],
    ["icon elsewhere", () => drawnAs(SEND_OR_STOP, document.body)],
  ]);
  // the page has accepted the prompt: its button is a stop button now, or a spinner is below the text box and not in a
  // switch; those of files are above it
  const isBusy = () => {
    const button = send().element, box = composer().element, place = around();
    const isInToggle = one => one !== place && (isToggle(one) || isInToggle(one.parentElement));
    const isBelow = one => !!(box.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING) && !isInToggle(one);
    return (!!button && (STOP.test(icon(button)) || !!button.querySelector("rect")))
      || (!!place && all(".ds-loading, [data-icon=spin]", place).some(one => visible(one) && isBelow(one)));
  };

  const toggles = () => all(".ds-toggle-button, [role=button][aria-pressed], button[aria-pressed], [role=switch]").filter(visible);
  // the pressable element around the innermost one with just these words
  const labelled = pattern => {
    const words = all("div, span, label, button").filter(one => visible(one) && text(one).length < 30
      && pattern.test(text(one)) && !one.closest("a, [data-virtual-list-item-key], .ds-message, [role=radiogroup]")).pop();
    return words?.closest("[aria-pressed], [role=button], [role=switch], button, label")
      ?? (words && getComputedStyle(words).cursor === "pointer" ? words : null);
  };
  const toggle = (pattern, place) => first([
    ["text", () => toggles().find(one => pattern.test(text(one)))],
    ["label", () => toggles().find(one => pattern.test(name(one)))],
    ["words", () => labelled(pattern)],
    ["order", () => toggles().length === 2 ? toggles()[place] : null],
  ]);
  const thinking = () => toggle(/^(deep\s*think|深度思考|thinking|reason)/i, 0);
  const search = () => toggle(/^(smart |web )?(search|搜索|智能搜索|联网搜索)/i, 1);
  const isOn = one => {
    for (const state of ["aria-pressed", "aria-checked"]) {
      const holder = one.hasAttribute(state) ? one : one.closest(`[${state}]`) ?? one.querySelector(`[${state}]`);
      if (holder) return holder.getAttribute(state) === "true";
    }
    return /--selected|--active|\bactive\b|\bselected\b/.test(one.className);
  };
  // the page stores the switches as a bare or wrapped boolean
  const stored = name => {
    try {
      const value = JSON.parse(localStorage.getItem(name + "Enabled"));
      return typeof value?.value === "boolean" ? value.value : typeof value === "boolean" ? value : null;
    } catch {
      return null;
    }
  };

  const NEW_CHAT = /^\+?\s*(new chat|start new chat|开启新对话|新对话|新建对话)(\s*(ctrl|⌘|⌃).{0,6})?$/i;
  const newChat = () => first([
    ["text", () => all("[tabindex='0'], [role=button], button, a").filter(visible).find(one => NEW_CHAT.test(text(one)))],
    ["label", () => all("[aria-label], [title]").filter(visible)
      .find(one => /new chat|新对话/i.test(one.getAttribute("aria-label") || one.getAttribute("title")))],
    ["words", () => all("div, span").filter(one => visible(one) && NEW_CHAT.test(text(one))).pop()],
  ]);
  // an incomplete answer has a button with words below it; the icons of its toolbar have none
  const goOn = () => first([
    ["text", () => all(BUTTON).filter(one => visible(one) && /^(continue|continue generating|继续|继续生成)$/i.test(text(one))).pop()],
    ["class", () => all("[data-virtual-list-item-key]:last-child [class*=continue]").filter(visible).pop()],
    ["only button with words", () => {
      const row = all("[data-virtual-list-item-key]").pop();
      const worded = row ? all(BUTTON, row).filter(one => visible(one) && text(one) && !one.closest("pre, .md-code-block")) : [];
      return worded.length === 1 ? worded[0] : null;
    }],
  ]);
  const plainModel = () => first([
    ["data-model-type", () => all("[role=radio][data-model-type=default]").filter(visible)
      .find(one => one.getAttribute("aria-checked") === "false")],
  ]);

  const visionModel = () => first([
    ["data-model-type", () => all("[role=radio][data-model-type=vision]").filter(visible)
      .find(one => one.getAttribute("aria-checked") === "false")],
  ]);
  // may be hidden, as file inputs usually are; the page uploads at once what it is given
  const fileInput = () => first([
    ["beside the composer", () => all("input[type=file]", around() ?? document.createElement("div"))[0]],
    ["for several files", () => all("input[type=file][multiple]").pop()],
    ["only file input", () => all("input[type=file]").pop()],
  ]);

  const messages = () => all(".ds-message, [data-virtual-list-item-key]").length;
  const last = () => {
    const rows = all("[data-virtual-list-item-key]");
    const key = rows.length ? rows[rows.length - 1].dataset.virtualListItemKey : "";
    return `${messages()}:${key}:${location.pathname}`;
  };
  const inConversation = () => /\/s\/[^/]+|\/[0-9a-f]{8}-[0-9a-f-]{20,}/i.test(location.pathname);
  const FORM = ".ds-sign-in-form__main, .ds-sign-in-form-wrapper, .ds-auth-form-wrapper, input[type=password]";
  const signedOut = () => /\/(sign_?in|login)\b/.test(location.pathname) || (!composer().element && all(FORM).some(visible));
  // the control that switches from the form for a code to the one for a password: words, or a small icon beside it
  const byPassword = () => first([
    ["words", () => pressable(document.body)
      .find(one => /密码登录|\bpassword\b/i.test(name(one)) && !/forg[eo]t|reset|忘记/i.test(name(one)))],
    ["class", () => all("[class*=sign-in-form_icon], [class*=sign-in-form__icon]").find(visible)],
    ["only icon", () => {
      const icons = pressable(document.body).filter(one => !text(one) && one.querySelector("svg"));
      return icons.length === 1 ? icons[0] : null;
    }],
  ]);
  const passwordForm = () => all("input[type=password]").some(visible);
  const MUTE = /禁言|封禁|\b(muted|suspended|banned)\b/i;
  const mutedText = () => {
    if (composer().element) return "";
    const alerts = all(".ds-alert--warning, .ds-alert, [role=alert]").filter(visible).map(text);
    const words = all("div, p, span").filter(one => visible(one) && !one.closest("a, [data-virtual-list-item-key]"))
      .map(text).filter(words => words.length < 400 && MUTE.test(words));
    return alerts.find(words => MUTE.test(words)) || words.pop() || alerts.join(" ");
  };
  // the banner gives the time in this browser's time zone; returns Unix seconds
  const moment = shown => {
    const [, year, month, day, hour, minute] = shown.match(/(\d{4})\D{1,3}(\d{1,2})\D{1,3}(\d{1,2})\D{1,4}(\d{1,2}):(\d{2})/) || [];
    if (year) return new Date(year, month - 1, day, hour, minute).getTime() / 1000;
    const named = shown.match(/([A-Z][a-z]{2,8})\.? (\d{1,2}),? (\d{4})\D{1,5}(\d{1,2}:\d{2}( ?[AP]M)?)/)
      || shown.match(/(\d{1,2}) ([A-Z][a-z]{2,8}),? (\d{4})\D{1,5}(\d{1,2}:\d{2}( ?[AP]M)?)/);
    const read = named ? Date.parse(`${named[1]} ${named[2]} ${named[3]} ${named[4]}`) : NaN;
    return Number.isNaN(read) ? null : read / 1000;
  };
  const HUMAN = "#challenge-container, #captcha-container, iframe[src*='captcha'], iframe[src*='challenge'], [class*='captcha']";
  const challenged = () => /just a moment|human verification/i.test(document.title)
    || all("script[src*='awswaf']").length > 0 || all(HUMAN).some(visible);
  const arrived = () => performance.getEntriesByType("navigation")[0]?.responseStatus || 200;

  // what covers the composer: the outermost element at its middle that does not contain it
  const cover = () => {
    const {element} = composer();
    if (!element) return null;
    const box = element.getBoundingClientRect();
    let hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    const home = element.parentElement?.parentElement ?? element.parentElement;
    if (!hit || home.contains(hit) || hit.contains(element)) return null;
    while (hit.parentElement && !hit.parentElement.contains(element)) hit = hit.parentElement;
    return hit;
  };
  const CLOSERS = [
    /^(close|dismiss|×|✕|关闭)$|\bclose\b/i,
    /^(cancel|got it|ok(ay)?|not now|later|skip|no thanks|reject.*|decline.*|.*necessary.*|知道了|我知道了|取消|稍后.*|跳过|拒绝.*|仅.*)$/i,
  ];
  // consent that binds the user is for a person to give
  const CONSENT = /\b(accept|agree|allow|consent|i understand)\b|同意|接受|允许/i;
  const closer = () => first([
    ["words", () => {
      const found = (cover() ? pressable(cover()) : []).filter(button => !CONSENT.test(name(button)));
      for (const words of CLOSERS) {
        const one = found.find(button => words.test(name(button)));
        if (one) return one;
      }
      return found.length === 1 ? found[0] : null;
    }],
  ]);
  const outline = element => `${element.tagName.toLowerCase()}${element.id ? "#" + element.id : ""}`
    + (typeof element.className === "string" && element.className ? "." + element.className.trim().split(/\s+/).join(".") : "");

  // short messages of the page to its user, never text of the chat
  const NOTICE = "[role=alert], [role=alertdialog], .ds-notification, .ds-toast, [class*=toast], [class*=notification],"
    + " .ds-form-item__feedback";
  const notices = () => all(NOTICE).filter(one => visible(one) && text(one) && !one.querySelector(NOTICE)
    && !one.closest("[data-virtual-list-item-key], .ds-message")).map(one => text(one).slice(0, 300));

  const put = (box, value, inputType) => {
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, value);
    box.dispatchEvent(new InputEvent("input", {bubbles: true, inputType}));
  };
  const row = id => first([["address", () => all(`a[href$="/${CSS.escape(id)}"]`).find(visible)]]);
  const rowMenu = id => first([
    ["button in the row", () => row(id).element && pressable(row(id).element).pop()],
    ["button beside the row", () => {
      const place = row(id).element?.parentElement;
      return place && all("a", place).length === 1 ? pressable(place).pop() : null;
    }],
  ]);
  const DELETE = /^(delete|delete chat|删除|删除对话)$/i;
  const deleteEntry = () => first([
    ["role", () => all("[role=menuitem]").find(one => visible(one) && DELETE.test(text(one)))],
    ["class", () => all(".ds-dropdown-menu-option").find(one => visible(one) && DELETE.test(text(one)))],
    ["words", () => all("div, span, li, button").filter(one => visible(one) && DELETE.test(text(one))).pop()],
  ]);
  const CONFIRM = /^(delete|confirm|ok|yes|删除|确认|确定|确认删除).{0,12}$/i;
  const confirming = root => root && pressable(root).find(one => CONFIRM.test(text(one)));
  const deleteButton = () => first([
    ["dialog", () => all("[role=dialog], [role=alertdialog], dialog").filter(visible).map(confirming).find(Boolean)],
    ["what covers the page", () => confirming(cover())],
    ["class", () => all(".ds-modal-content, [class*=modal]").filter(visible).map(confirming).find(Boolean)],
  ]);
  const CONTROLS = {
    composer, send, thinking, search, newChat, goOn, plainModel, visionModel, fileInput, closer, row, rowMenu, deleteEntry,
    deleteButton, byPassword,
  };
  const isEmpty = () => !inConversation() && messages() === 0 && !!composer().element;
  // whether a switch is on, and whether the shown state equals the stored one, where that is known; null if there is
  // no such switch; with `by` "kept" only the stored state counts, with "shown" only the shown one
  const position = (name, by) => {
    const {element} = CONTROLS[name]();
    if (!element) return null;
    const shown = isOn(element), kept = stored(name) ?? shown;
    return {on: by === "kept" ? kept : shown, isSettled: by !== "both" || kept === shown};
  };
  const positions = (switches, by) => Object.fromEntries(Object.keys(switches).map(name => [name, position(name, by)]));
  const areSet = (switches, by) => Object.entries(positions(switches, by))
    .every(([name, now]) => now ? now.isSettled && now.on === switches[name] : !switches[name]);
  // the positions, once the shown states equal the stored ones; else null
  const settled = (switches, by) => {
    const now = positions(switches, by);
    return Object.values(now).every(one => one === null || one.isSettled) ? now : null;
  };

  // whether the page accepts a prompt, or why not; null while it is still loading
  const state = () => {
    if (signedOut()) return {is: "signed out"};
    if (composer().element) return document.readyState === "complete" ? {is: "ready"} : null;
    const muted = mutedText();
    if (muted) return {is: "muted", text: muted, until: moment(muted)};
    if (document.readyState !== "complete") return null;
    const status = arrived();
    if (status === 429 || status >= 500) return {is: "refused", status};
    return status === 403 || status === 405 ? {is: "challenged"} : null;
  };
  const holds = id => location.pathname.endsWith("/" + id) && messages() > 0 && !!composer().element;

  // Puts `prompt` into the composer unless it is there or the page has accepted it. The page has accepted it if the
  // composer is empty and the last message is not `before` any more, or the page is busy; if the composer is empty
  // without such a sign, the prompt is put there again only with `again`. Returns what it did, the last message, the
  // page's notices, and whether the page is busy with the prompt.
  const fill = (prompt, before, again) => {
    const {element} = composer();
    const result = did => ({did, last: last(), notices: notices(), busy: did === "taken" && isBusy()});
    if (!element) return result("missing");
    const old = element.value;
    if (old === "" && before !== null) {
      if (before !== last() || isBusy()) return result("taken");
      if (!again) return result("gone");
    }
    const seen = result(old === "" ? "filled" : "there");
    element.focus();
    // last, because from here on every measurement makes the browser lay out the whole prompt
    if (old !== prompt) put(element, prompt, "insertText");
    return seen;
  };

  return {
    element: (name, ...given) => CONTROLS[name](...given).element,
    // where to click a control: its middle, and whether it is clear of other elements; `isUnder` tells that what
    // covers it covers the whole chat
    aim: (name, ...given) => {
      const {element, by} = CONTROLS[name](...given);
      if (!element) return null;
      const box = element.getBoundingClientRect();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      const hit = document.elementFromPoint(x, y);
      const isClear = !!hit && (hit === element || element.contains(hit));
      const over = isClear ? null : cover();
      return {by, x, y, isClear, isUnder: !!over && !over.contains(element)};
    },
    has: (name, ...given) => !!CONTROLS[name](...given).element,
    isWithout: id => !row(id).element,
    state,
    challenged,
    passwordForm,
    signInWay: () => passwordForm() ? "form" : byPassword().element ? "switch" : null,
    isEmpty,
    holds,
    positions,
    settled,
    // whether the switches are as wanted; if so, a given prompt is put into the composer at once
    areSet: (switches, by, prompt) => areSet(switches, by) && (prompt === null || fill(prompt, null, true)),
    // the state, and once that is ready all that must be known before a prompt, in one call; if everything is as
    // wanted, a given prompt is put into the composer at once
    look: (id, switches, by, prompt) => {
      const now = state();
      if (now?.is !== "ready") return now;
      const seen = {
        is: "ready", isThere: id === null ? isEmpty() : holds(id), covered: !!cover(), otherModel: !!plainModel().element,
        notices: notices(), switches: settled(switches, by), areSet: areSet(switches, by),
      };
      const isRight = seen.isThere && !seen.covered && !seen.otherModel && seen.areSet;
      return {...seen, typed: isRight && prompt !== null ? fill(prompt, null, true) : null};
    },
    covered: () => {
      const over = cover();
      return over && {what: outline(over), human: over.matches(HUMAN) || !!over.querySelector(HUMAN)};
    },
    fill,
    clear: () => {
      const {element} = composer();
      if (element?.value) put(element, "", "deleteContentBackward");
    },
    notices,
    controls: () => Object.fromEntries(
      Object.entries({composer, send, thinking, search, "new chat": newChat}).map(([name, find]) => [name, find().by])
    ),
  };
})()
