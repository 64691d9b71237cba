// Qwen: a text box whose Enter only breaks the line, a button whose wrappers ignore clicks and which does nothing before
// the page has come alive, a dialog that swallows the first send, a model that falls back after a send, and a page that
// reloads after the first turn.

import { events, parsed } from "./frames.js";
import { $, $$, run } from "./kit.js";
import { fileCall, form, takesFiles, untilRead } from "./uploads.js";
import { choice, dialog, element, menu } from "./widgets.js";

const HTML = `
<nav>
  <div class="sidebar-entry-fixed-list-text">新建对话</div>
  <div id="qwen-chat-header-left"><span role="button" aria-haspopup="listbox" class="model-name">qwen3.7-plus</span></div>
  <div role="listbox" class="floating"><div role="option">qwen3.7-plus</div><div role="option">qwen3.7-max</div></div>
  <button class="auth-button-ui login" data-out data-signs-in>登录</button>
  <img class="user-avatar" alt="me" width="20" height="20" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-in>
</nav>
<main>
  <div class="chat-rows" data-rows></div>
  <div class="message-input-container">
    <div class="file-card-list"></div>
    <textarea class="message-input-textarea" placeholder="有什么我能帮您的吗？"></textarea>
    <div class="qwen-thinking-selector"><span class="qwen-chat-v2-dropdown-menu-trigger">自动</span></div>
    <div class="thinking-menu floating">
      <div class="qwen-chat-v2-dropdown-menu-item" role="menuitem">自动</div>
      <div class="qwen-chat-v2-dropdown-menu-item" role="menuitem">思考</div>
      <div class="qwen-chat-v2-dropdown-menu-item" role="menuitem">快速</div>
    </div>
    <div class="mode-select-open" role="button">+</div>
    <div class="mode-select-dropdown floating"><div role="menuitem" data-menu-id="m-search">搜索</div>
      <div role="menuitem" data-menu-id="m-upload">上传</div></div>
    <div class="mode-select-current-mode">搜索 <span class="mode-select-current-mode-close">×</span></div>
    <input type="file" id="filesUpload" multiple hidden>
    <div class="message-input-right-button-send"><button class="send-button" type="button">↑</button></div>
    <button class="stop-button" type="button">■</button>
  </div>
</main>`;

function setModel(page, name) {
  page.state.model = name;
  $(".model-name").textContent = name;
}

function setSearch(page, on) {
  page.state.search = on;
  $(".mode-select-current-mode").hidden = !on;
}

function setThinking(page, level) {
  page.state.thinking = level === "思考";
  $(".qwen-chat-v2-dropdown-menu-trigger").textContent = localStorage.thinking = level;
}

async function take(page, file) {
  const { data } = await fileCall(page, "/api/v2/files/upload", form(file));
  await untilRead(page, "/api/v2/files/parse/status", data.id, (answer) => answer.data.status === "success");
  return data;
}

function setup(page) {
  menu($(".model-name"), $("[role=listbox]"));
  setModel(page, "qwen3.7-plus");
  choice($$("[role=option]"), "selected", $("[role=option]"), (entry) => {
    setModel(page, entry.textContent);
    $("[role=listbox]").hidden = true;
  });
  menu($(".qwen-chat-v2-dropdown-menu-trigger"), $(".thinking-menu"));
  $$(".qwen-chat-v2-dropdown-menu-item").forEach((entry) =>
    entry.addEventListener("click", () => {
      setThinking(page, entry.textContent);
      $(".thinking-menu").hidden = true;
    }),
  );
  setThinking(page, localStorage.thinking ?? "自动");
  menu($(".mode-select-open"), $(".mode-select-dropdown"));
  $("[data-menu-id$='-search']").addEventListener("click", () => {
    setSearch(page, true);
    $(".mode-select-dropdown").hidden = true;
  });
  $(".mode-select-current-mode-close").addEventListener("click", () => setSearch(page, false));
  $("[data-menu-id$='-upload']").addEventListener("click", () => $("#filesUpload").click());
  takesFiles(page, {
    input: "#filesUpload",
    list: ".file-card-list",
    card: `<div class="fileitem-btn"><span class="delete">×</span></div>`,
    reading: "loading",
    failed: "error",
    remove: ".delete",
    take: (file) => take(page, file),
  });
  setSearch(page, false);
}

function before() {
  if (localStorage.age_confirmed) return false;
  const node = dialog(`<p>你已满 18 岁了吗？</p><button class="confirm">是的</button>`, ".confirm");
  node.classList.add("age-confirmation-modal");
  $(".confirm", node).addEventListener("click", () => (localStorage.age_confirmed = "yes"));
  return true;
}

async function chat(page, text, isFirst) {
  const { state } = page;
  if (isFirst) page.setConversation((await page.call("POST", "/api/v2/chats/new", { title: "New Chat" })).data.id);
  const feature_config = { thinking_enabled: state.thinking, output_schema: "phase", thinking_format: "summary" };
  const message = {
    fid: crypto.randomUUID?.() ?? String(Math.random()),
    parentId: state.parent,
    role: "user",
    content: text,
    chat_type: state.search ? "search" : "t2t",
    feature_config,
    files: state.files,
  };
  const whole = {
    stream: true,
    version: "2.1",
    incremental_output: true,
    chat_id: state.conversation,
    chat_mode: "normal",
    model: state.model,
    parent_id: state.parent,
    messages: [message],
  };
  const query = `?chat_id=${state.conversation}`;
  const headers = { "content-type": "application/json", "bx-ua": "231!x", "bx-v": "2.5.31" };
  const parts = { said: "", phase: "" };
  for await (const { data } of page.ask(events, { query, body: JSON.stringify(whole), headers })) read(page, data, parts);
  setModel(page, "qwen3.7-plus"); // it falls back by itself
}

function read(page, data, parts) {
  const frame = parsed(data);
  if (!frame) return;
  if (frame.ret) {
    document.body.append(element(`<div class="dialog"><iframe src="about:blank#/punish?action=captcha"></iframe></div>`));
    throw new Error("verify");
  }
  if (frame["response.created"]) page.state.parent = frame["response.created"].response_id;
  const delta = frame.choices?.[0].delta;
  const error = frame.error ?? delta?.error;
  if (error) throw new Error(error.message);
  if (delta?.phase === "answer") page.row.text((parts.said += delta.content));
  if (delta?.extra?.summary_thought) page.row.thinking(delta.extra.summary_thought.content.join("\n"));
}

run({
  html: HTML,
  box: "textarea",
  editor: { enter: "line" },
  hydration: 400,
  send: "button.send-button",
  hidesSend: true,
  stop: "button.stop-button",
  newChat: ".sidebar-entry-fixed-list-text",
  late: 800,
  notice: "ant-message-notice",
  chatAt: (id) => `/c/${id}`,
  idOf: ({ pathname }) => /^\/c\/([\w-]+)/.exec(pathname)?.[1],
  rows: {
    list: ".chat-rows",
    user: `<div class="qwen-chat-message-user"><div class="text"></div></div>`,
    assistant: `<div class="qwen-chat-message-assistant"><div class="phase-thinking"></div>
      <div class="response-message-content phase-answer text"></div></div>`,
    text: ".text",
    thinking: ".phase-thinking",
  },
  setup,
  before,
  chat,
  after: (page, isFirst) => isFirst && page.state.parent && location.reload(),
  stopped: (page) =>
    page.call("POST", `/api/v2/chat/completions/stop?chat_id=${page.state.conversation}`).catch(() => {}),
});
