// The live view of one page: connects, shows who has the controls, and dispatches messages to its parts.

import { adminUrl, remove, resume, signIn } from "../api.js";
import { Connection } from "./connection.js";
import { Keyboard } from "./keyboard.js";
import { Lesson } from "./lesson.js";
import * as overlays from "./overlay.js";
import { Pointer } from "./pointer.js";
import { Screen } from "./screen.js";

const PIECE = 128 * 1024;
const FULL = 1024 * 1024;
const NOTICE_MS = 9000;
const KINDS = { ready: "ok", captured: "ok", waiting: "info", starting: "info", resting: "warn", muted: "warn", logged_out: "bad", challenged: "bad", broken: "bad", failed: "bad", expired: "bad", opening: "info", chatting: "info", proving: "info", learned: "ok", unproven: "warn" };
const byId = (id) => document.getElementById(id);
const parts = Object.fromEntries(["name", "standing", "viewers", "who", "take", "leave", "nav", "address", "zoom", "keyboard", "tabs", "stage", "screen", "keys", "empty", "hint", "toasts"].map((id) => [id, byId(id)]));

const wish = new URLSearchParams(location.search);
const login = wish.get("login");
const learning = wish.get("learning");
let account = wish.get("account");
const COARSE = matchMedia("(pointer: coarse)").matches;
const HINT = COARSE
  ? "Tap, swipe to scroll, hold and move to drag, pinch to zoom. The keyboard button opens the keyboard."
  : "Keys go to the page while the picture is framed; F6 leaves it.";

let state = { controls: "none", page: "closed", about: {}, tabs: [], address: "", viewers: 1, ask: null };
let wasTaken = false;
let asked = null;
let connection = null;

function send(type, more) {
  if (state.controls !== "you") return false;
  connection?.send(type, more);
  return true;
}
const lesson = learning && new Lesson(learning, notice, copyOut);
const screen = new Screen(parts.screen, parts.stage);
const overlay = new overlays.Overlay(() => state.controls === "you" && !COARSE && focusKeys());
const keyboard = new Keyboard(parts.keys, send, { leave: () => parts.address.focus(), tooLong: () => notice("warn", "This text is too long to be pasted at once.") });
new Pointer(parts.screen, screen, send, (event) => {
  const room = parts.stage.getBoundingClientRect(); // an input method shows its suggestions at the field
  parts.keys.style.transform = `translate(${event.clientX - room.left}px, ${event.clientY - room.top}px)`;
  if (state.controls !== "you") return;
  keyboard.forget();
  if (event.pointerType !== "touch") focusKeys();
});

function focusKeys() {
  parts.keys.focus({ preventScroll: true });
}

// Sends the bridge the size of the picture, at most a few times a second.
let sizing = 0;
function tellSize() {
  clearTimeout(sizing);
  sizing = setTimeout(() => connection?.send("window", { ...screen.wanted, visible: !document.hidden }), 150);
}
parts.stage.addEventListener("fitted", () => {
  parts.zoom.setAttribute("aria-pressed", String(screen.zoom > 1));
  tellSize();
});
document.addEventListener("visibilitychange", () => connection?.send("window", { ...screen.wanted, visible: !document.hidden }));

function notice(level, text) {
  const words = document.createElement("p");
  words.textContent = text;
  const close = Object.assign(document.createElement("button"), { className: "button quiet icon small", textContent: "\u00d7", ariaLabel: "Close" });
  const toast = Object.assign(document.createElement("div"), { className: `toast ${level}` });
  toast.append(words, close);
  close.onclick = () => toast.remove();
  setTimeout(() => toast.remove(), NOTICE_MS);
  parts.toasts.append(toast);
  while (parts.toasts.children.length > 3) parts.toasts.firstChild.remove();
}

function empty(text, more = "") {
  byId("empty-text").textContent = text;
  parts.empty.hidden = !text;
  byId("empty-link").hidden = more !== "link";
}

const ENDED = ["captured", "failed", "expired", "learned", "unproven"];
const TITLES = { login: (name) => `Log in ${name}`, learning: (name) => `Learn ${name}`, account: (name) => name };

function show(next) {
  const before = state;
  state = next;
  const { about, controls, page } = next;
  if (about.kind === "account" && about.name !== account) follow(about.name);
  const isMine = controls === "you";
  document.title = `${about.name}: live view`;
  parts.name.textContent = TITLES[about.kind](about.name);
  parts.standing.hidden = false;
  parts.standing.textContent = about.busy ? "answering" : String(about.state).replace("_", " ");
  parts.standing.className = `badge ${about.busy ? "info working" : (KINDS[about.state] ?? "")}`;
  parts.standing.title = about.reason ?? "";
  parts.viewers.textContent = next.viewers > 1 ? `${next.viewers} viewers` : "";
  const isOver = about.state === "removed" || (about.kind !== "account" && ENDED.includes(about.state));
  const canTake = about.state !== "unplaced" && (about.kind !== "learning" || about.state === "waiting");
  parts.who.textContent = isOver ? "" : { none: "You are watching", you: "You have the controls", wait: "", other: "Somebody else has the controls" }[controls];
  document.body.classList.remove("lost");
  parts.take.hidden = isMine || controls === "wait" || isOver || !canTake;
  parts.take.textContent = controls === "other" ? "Take over" : "Take the controls";
  parts.leave.hidden = !(isMine || controls === "wait" || about.kind === "learning") || isOver;
  parts.leave.textContent = about.kind !== "account" ? "Give up" : controls === "wait" ? "Cancel" : "Give back";
  parts.nav.querySelectorAll("[data-go], #address, #keyboard").forEach((one) => (one.disabled = !isMine || page !== "open"));
  if (document.activeElement !== parts.address) parts.address.value = next.address;
  parts.stage.classList.toggle("closed", page !== "open");
  parts.stage.classList.toggle("watching", !isMine);
  parts.hint.textContent = isMine ? HINT : controls === "none" && page === "open" && about.kind === "account" ? "While somebody has the controls, the account takes no chats." : "";
  tabs(next.tabs, isMine);
  empty(...whyEmpty(next));
  questions(next);
  if (isMine && before.controls !== "you" && !COARSE && !overlay.shown) focusKeys();
  if (!isMine && before.controls === "you") overlay.take();
  lesson?.show(about, page);
  if (about.kind !== "account" && canTake && controls === "none" && page === "open" && !wasTaken) {
    wasTaken = true;
    connection.send("take");
  }
}

function whyEmpty({ about, controls, page }) {
  if (about.kind !== "account" && (ENDED.includes(about.state) || page !== "open")) return [about.reason, ENDED.includes(about.state) ? "link" : ""];
  if (controls === "wait") return [about.busy ? "A chat is running. You get the controls when it has ended." : "The page is being opened."];
  if (page === "open") return [""];
  if (about.state === "unplaced") return [about.reason]; // no node of the cluster has the account
  if (about.state === "removed") return ["This account is not here any more: it was removed.", "link"];
  const reason = about.reason ? ` ${about.reason}` : "";
  return [`The page of this account is not open.${reason} Take the controls to open it; nothing is sent.`];
}

function tabs(list, isMine) {
  parts.tabs.hidden = list.length < 2;
  parts.tabs.replaceChildren(...list.map((tab) => {
    const node = Object.assign(document.createElement("div"), { className: `live-tab ${tab.active ? "active" : ""}` });
    const open = Object.assign(document.createElement("button"), { className: "clip", textContent: tab.title || "Window", disabled: !isMine });
    if (tab.active) open.setAttribute("aria-current", "page");
    open.onclick = () => send("tab", { id: tab.id });
    node.append(open);
    if (!tab.main && isMine) {
      const close = Object.assign(document.createElement("button"), { className: "close", textContent: "\u00d7", ariaLabel: `Close ${tab.title || "this window"}` });
      close.onclick = () => send("tab", { id: tab.id, close: true });
      node.append(close);
    }
    return node;
  }));
}

async function questions({ ask }) {
  if (asked && asked !== ask?.id) {
    overlay.take(`ask ${asked}`);
    asked = null;
  }
  if (!ask || asked) return;
  asked = ask.id;
  if (ask.kind === "files") {
    const chosen = await overlays.files(overlay, ask);
    if (chosen?.length) await upload(ask.id, chosen);
    else if (chosen) send("answer", { id: ask.id, accept: false });
  } else {
    const answer = await overlays.dialog(overlay, ask);
    if (answer) send("answer", { id: ask.id, ...answer });
  }
}

async function upload(id, chosen) {
  send("upload", { id, files: chosen.map(({ name, size, type }) => ({ name: name.slice(0, 255), size, mime: type.slice(0, 100) })) });
  for (const file of chosen)
    for (let start = 0; start < file.size; start += PIECE) {
      const piece = await file.slice(start, start + PIECE).arrayBuffer();
      while (connection.waiting > FULL) await new Promise((resolve) => setTimeout(resolve, 50));
      if (state.controls === "you") connection.sendBytes(piece);
    }
}

async function control(about) {
  if (about.kind === "select") {
    const option = await overlays.choose(overlay, about);
    if (option !== null) send("choose", { id: about.id, options: [option] });
  } else {
    const value = await (about.kind === "list" ? overlays.suggest : overlays.enter)(overlay, about);
    if (value !== null) send("choose", { id: about.id, value });
  }
}

const copied = ({ text }) => text && copyOut(text);

async function copyOut(text) {
  try {
    await navigator.clipboard.writeText(text);
    notice("ok", "Copied.");
  } catch {
    await overlays.clipboard(overlay, text);
  }
}

async function takeOver({ idle }) {
  const text = `Somebody else has the controls, and used them ${idle < 3 ? "just now" : `${idle} seconds ago`}. They see a notice when you take over.`;
  if (await overlay.ask("take over", { title: "Take over the controls?", text, yes: "Take over" })) connection.send("take", { force: true });
}

const HANDLERS = { state: show, control, clipboard: copied, taken: takeOver, notice: ({ level, text }) => notice(level, text) };

parts.take.onclick = () => connection.send("take");
parts.leave.onclick = async () => {
  if (account) return connection.send("leave");
  const [title, text, path] = login
    ? ["Give up this login?", "The sign-in page is closed, and nothing is stored.", `logins/${encodeURIComponent(login)}`]
    : ["Give up this site?", "Its page is closed. A site file that was written stays.", `learnings/${encodeURIComponent(learning)}`];
  if (await overlay.ask("give up", { title, text, yes: "Give up", no: "Go on" })) await remove(path).catch(({ message }) => notice("bad", message));
};
parts.nav.querySelectorAll("[data-go]").forEach((one) => (one.onclick = () => send("go", { where: one.dataset.go })));
byId("address-form").onsubmit = (event) => {
  event.preventDefault();
  send("go", { where: "address", address: parts.address.value });
  focusKeys();
};
parts.address.onkeydown = ({ key }) => key === "Escape" && (parts.address.value = state.address);
parts.zoom.onclick = () => screen.zoomTo(screen.zoom > 1 ? 1 : Math.max(screen.ownSize, 1.5));
parts.keyboard.onclick = focusKeys;
// Prevents that the button takes the focus, which would close the on-screen keyboard at once.
parts.keyboard.onpointerdown = (event) => event.preventDefault();

// Signs in with the one-time link in the address, or resumes the session.
async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("sign-in");
  if (token) {
    history.replaceState(null, "", location.pathname + location.search);
    await signIn({ token });
    return true;
  }
  return resume();
}

async function start() {
  if (COARSE && !account) screen.zoomTo(screen.fullHeight);
  if (!login && !account && !learning) return empty("This address names neither an account nor a login.", "link");
  try {
    if (!(await enter())) return empty("Sign in on the dashboard, then open this view again.", "link");
  } catch ({ message }) {
    return empty(message, "link");
  }
  connection = new Connection(socketUrl(), {
    open: () => connection.send("window", { ...screen.wanted, visible: !document.hidden }),
    message: (message) => HANDLERS[message.type]?.(message),
    picture: async (picture) => {
      await screen.draw(picture).catch(() => {});
      connection.send("drawn", { frame: picture.number });
    },
    refused: (reason) => {
      state = { ...state, controls: "none" };
      overlay.take();
      empty(reason, "link");
      parts.stage.classList.add("closed");
    },
    lost: async (tries, reason) => {
      if (reason) notice("warn", reason);
      state = { ...state, controls: "none" };
      parts.who.textContent = "Connection lost, trying again";
      document.body.classList.add("lost");
      if (tries === 1 && !(await resume().catch(() => true))) empty("Your session has ended. Sign in on the dashboard, then open this view again.", "link");
    },
  });
}

// A random name for this page, with which it keeps the controls when it reconnects.
const VIEWER = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

function socketUrl() {
  const [kind, name] = login ? ["login", login] : learning ? ["learning", learning] : ["account", account];
  const path = `live/${kind}/${encodeURIComponent(name)}`;
  const url = new URL(adminUrl(path));
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("viewer", VIEWER);
  return url;
}

// Follows an account to its new name, for reconnecting and for reloading.
function follow(name) {
  account = name;
  history.replaceState(null, "", `${location.pathname}?${new URLSearchParams({ account })}`);
  connection.url = socketUrl();
}

start();
