// Kimi: a Lexical editor that loses the tail of what is written in two pieces, sign-in buttons that come late, menus
// that Escape does not close, and an address that changes in the first answer.

import { spanLine } from "./editors.js";
import { connectFrame, connectFrames } from "./frames.js";
import { $, $$, run } from "./kit.js";
import { fileCall, form, pause, takesFiles } from "./uploads.js";
import { choice, hoverMenu, menu } from "./widgets.js";

const HTML = `
<aside>
  <a class="new-chat-btn" href="#" onclick="event.preventDefault()">New chat</a>
  <div class="user-info-container" data-in>Me</div>
  <button class="login-button-text" data-out data-signs-in>Log in</button>
</aside>
<main>
  <div class="chat-content-list" data-rows></div>
  <div class="chat-editor">
    <div class="file-list"></div>
    <div class="chat-input-editor" contenteditable="true" role="textbox" data-lexical-editor="true"></div>
    <div class="current-model" data-testid="model-select-trigger"><span class="model"></span> <span class="current-effort">Standard</span></div>
    <div class="models-popover floating">
      <button type="button" class="model-item" role="menuitemradio" data-model="k3"><b class="name">K3</b> Strongest</button>
      <button type="button" class="model-item" role="menuitemradio" data-model="k2.8"><b class="name">K2.8 Preview</b> Fast</button>
      <div class="effort-item">Effort
        <div class="effort-list floating">
          <div class="effort-option">Standard</div><div class="effort-option">High</div><div class="effort-option">Max</div>
        </div>
      </div>
    </div>
    <div class="toolkit-trigger-btn">+</div>
    <div class="toolkit-popover floating">
      <div class="toolkit-item"><svg name="InternetOn"></svg> Web search</div>
      <div class="connect-popover floating"><div class="connect-item">Auto</div></div>
      <input type="file" class="hidden-input" hidden multiple>
    </div>
    <div class="send-button-container disabled"><svg name="Send"></svg></div>
  </div>
</main>`;

const EFFORTS = {
  Standard: "REASONING_EFFORT_LOW",
  High: "REASONING_EFFORT_HIGH",
  Max: "REASONING_EFFORT_MAX",
};

function setSearch(page, on) {
  page.state.search = on;
  localStorage.setItem("selectSearch", on);
  $(".connect-item").innerHTML = on ? `Auto <svg name="Check"></svg>` : "Auto";
}

function setEffort(page, effort) {
  page.state.effort = localStorage.effort = effort;
  $(".current-effort").textContent = effort;
}

// A file goes up in a call of its own, before which another one asks where to send it.
async function take(page, file) {
  await pause(500);
  return (await fileCall(page, "/api/file", form(file))).id;
}

// The chosen model is kept by the page, which leaves its conversation for it.
function setUpModels(page) {
  const items = $$(".model-item");
  const chosen = items.find((item) => item.dataset.model === localStorage.model) ?? items[0];
  choice(items, "checked", chosen, (item) => {
    localStorage.model = item.dataset.model;
    location.href = "/agent?chat_enter_method=change_model";
  });
  page.state.model = chosen.dataset.model;
  $(".current-model .model").textContent = $(".name", chosen).textContent;
}

function setup(page) {
  setUpModels(page);
  takesFiles(page, {
    input: ".hidden-input",
    list: ".file-list",
    card: `<div class="file-card-container"><span class="file-card-info-name"></span></div>`,
    name: ".file-card-info-name",
    shown: (name) => name.replace(/\.\w+$/, ""),
    failed: "failed",
    holds: true,
    take: (file) => take(page, file),
  });
  const efforts = hoverMenu($(".effort-item"), $(".effort-list"), { after: 150 });
  menu($(".current-model"), $(".models-popover"), { escape: false, opens: efforts.opened });
  for (const option of $$(".effort-option"))
    option.addEventListener("click", () => setEffort(page, option.textContent));
  setEffort(page, localStorage.effort ?? "Standard");
  const hover = hoverMenu($(".toolkit-item"), $(".connect-popover"), { after: 150 });
  menu($(".toolkit-trigger-btn"), $(".toolkit-popover"), { escape: false, opens: hover.opened });
  $(".connect-item").addEventListener("click", () => setSearch(page, !page.state.search));
  setSearch(page, localStorage.getItem("selectSearch") !== "false");
}

function read(page, data, parts) {
  const { op, mask, block, message, chat, error } = data;
  if (chat?.id && !page.state.conversation) page.setConversation(chat.id);
  if (message?.role === "assistant") page.state.parent = message.id;
  if (error) throw new Error(error.details[0].debug.localizedMessage.message);
  if (block?.exception) throw new Error(block.exception.error.reason);
  for (const kind of ["text", "think"]) {
    if (block?.[kind] === undefined) continue;
    const before = op === "set" ? "" : (parts[kind].get(block.id) ?? "");
    parts[kind].set(block.id, before + block[kind].content);
    page.row[kind === "text" ? "text" : "thinking"]([...parts[kind].values()].join(""));
  }
}

async function chat(page, text) {
  const { conversation, parent, search, effort, files, model } = page.state;
  const attached = files.map((id) => ({ message_id: "", file: { id } }));
  const body = connectFrame({
    scenario: "SCENARIO_K2D5",
    chat_id: conversation,
    tools: search ? [{ type: "TOOL_TYPE_SEARCH", search: {} }] : [],
    message: { parent_id: parent ?? "", role: "user", blocks: [...attached, { message_id: "", text: { content: text } }] },
    options: { thinking: effort !== "Standard", enable_plugin: true, model, reasoning_effort: EFFORTS[effort] },
  });
  const headers = { "content-type": "application/connect+json", "connect-protocol-version": "1", "x-msh-platform": "web" };
  const parts = { text: new Map(), think: new Map() };
  for await (const frame of page.ask(connectFrames, { body, headers })) read(page, frame.data, parts);
}

run({
  html: HTML,
  box: ".chat-input-editor",
  editor: { kind: "rich", enter: "line", keeps: 20002, line: spanLine("p", { "data-lexical-text": "true" }) },
  send: ".send-button-container",
  offClass: "disabled",
  stopClass: "stop",
  realClicks: true,
  newChat: ".new-chat-btn",
  late: 1500,
  home: "/?chat_enter_method=new_chat",
  chatAt: (id) => `/chat/${id}?chat_enter_method=history`,
  idOf: ({ pathname, search }) => search.includes("history") && /^\/chat\/([\w-]+)/.exec(pathname)?.[1],
  provisional: () => `/chat/temp-${Date.now()}`,
  swapsAfter: 300,
  rows: {
    list: ".chat-content-list",
    user: `<div class="chat-content-item chat-content-item-user"><div class="user-content text"></div></div>`,
    assistant: `<div class="chat-content-item chat-content-item-assistant"><div class="thinking-container"></div>
      <div class="markdown text"></div></div>`,
    text: ".text",
    thinking: ".thinking-container",
  },
  setup,
  chat,
  stopped: (page) => page.call("POST", "/apiv2/kimi.gateway.chat.v1.ChatService/CancelChat", {}).catch(() => {}),
});
