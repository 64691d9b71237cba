// ChatGLM: a page that comes alive late, a div for a send button, one menu for models and thinking which Escape does not
// close, and a conversation that the address names in its query.

import { events, parsed } from "./frames.js";
import { $, $$, run } from "./kit.js";
import { fileCall, form, takesFiles } from "./uploads.js";
import { menu } from "./widgets.js";

const HTML = `
<aside><div class="new-session">新对话</div><div class="userInfoBar" data-in>Me</div>
  <p class="sidebar-user-name" data-out data-signs-in>登录</p></aside>
<main>
  <div class="dialogue" data-rows></div>
  <div id="search-input-box">
    <div class="file-list-box"></div>
    <div class="input-box-inner"><textarea class="scroll-display-none"></textarea></div>
    <div class="think-mode-trigger">GLM-5.3快速</div>
    <div class="think-mode-list floating">
      <div class="think-mode-item model"><span class="item-name">GLM-5.3</span> 旗舰</div>
      <div class="think-mode-item model"><span class="item-name">GLM-Flash</span> 高速</div>
      <div class="think-mode-item level"><span class="item-name">快速</span></div>
      <div class="think-mode-item level"><span class="item-name">深度</span></div>
    </div>
    <div class="mode-button">联网</div>
    <input type="file" class="el-upload__input" multiple hidden>
    <div class="enter"><div class="enter-icon-container empty">➤</div></div>
  </div>
</main>`;

const nameOf = (item) => $(".item-name", item).textContent;

// Sets the model or the level, of which one entry each is chosen.
function setMode(page, kind, name) {
  page.state[kind] = localStorage[kind] = name;
  page.state.thinking = page.state.level === "深度";
  $(".think-mode-trigger").textContent = `${page.state.model}${page.state.level ?? ""}`;
  $$(`.${kind}`).forEach((item) => item.classList.toggle("selected", nameOf(item) === name));
}

function setSearch(page, on) {
  page.state.search = on;
  $(".mode-button").classList.toggle("active", on);
}

function setup(page) {
  menu($(".think-mode-trigger"), $(".think-mode-list"), { escape: false });
  for (const [kind, usual] of [["model", "GLM-5.3"], ["level", "快速"]]) {
    $$(`.${kind}`).forEach((item) => item.addEventListener("click", () => setMode(page, kind, nameOf(item))));
    setMode(page, kind, localStorage[kind] ?? usual);
  }
  $(".mode-button").addEventListener("click", () => setSearch(page, !page.state.search));
  setSearch(page, false);
  takesFiles(page, {
    input: ".el-upload__input",
    list: ".file-list-box",
    card: `<div class="file-list-box-content-item"><i class="close">×</i></div>`,
    reading: "loading",
    failed: "error",
    remove: ".close",
    take: async (file) => (await fileCall(page, "/chatglm/backend-api/assistant/file_upload", form(file))).result,
  });
}

async function chat(page, text) {
  const { state } = page;
  const files = state.files.map((file) => ({ type: "file", file: [file] }));
  const body = JSON.stringify({
    assistant_id: "65940acff94777010aa6b796",
    conversation_id: state.conversation,
    chat_type: "user_chat",
    messages: [{ role: "user", content: [{ type: "text", text }, ...files] }],
    meta_data: { chat_mode: state.thinking ? "zero" : "", is_networking: state.search, platform: "pc", model: state.model },
  });
  const headers = { "content-type": "application/json", "x-sign": "s", "x-nonce": "n", "x-timestamp": `${Date.now()}` };
  const ask = async (parts) => {
    for await (const { data } of page.ask(events, { body, headers })) read(page, parsed(data), parts);
    return [...parts.values()].flat().some(({ type }) => type === "system_error");
  };
  if (await ask(new Map())) await ask(new Map());
}

function read(page, frame, parts) {
  if (!frame) return;
  if (frame.conversation_id && !page.state.conversation) page.setConversation(frame.conversation_id);
  if (frame.status === "intervene") page.row.text(frame.last_error.intervene_text);
  for (const part of frame.parts) parts.set(part.logic_id, part.content);
  const texts = (kind) => [...parts.values()].flat().map((item) => item[kind] ?? "");
  page.row.thinking(texts("think").join(""));
  if (parts.size) page.row.text(texts("text").join(""));
}

run({
  html: HTML,
  box: "textarea",
  hydration: 500,
  leavesRefusals: true,
  send: ".enter-icon-container",
  offClass: "empty",
  stopClass: "stop",
  newChat: ".new-session",
  late: 300,
  home: "/main/alltoolsdetail?lang=zh",
  chatAt: (id) => `/main/alltoolsdetail?lang=zh&cid=${id}`,
  idOf: ({ search }) => new URLSearchParams(search).get("cid"),
  rows: {
    list: ".dialogue",
    user: `<div class="conversation question"><div class="text"></div></div>`,
    assistant: `<div class="conversation answer-content-wrap"><div class="markdown-body text-advance-thinking-content"></div>
      <div class="markdown-body text"></div></div>`,
    text: ".text",
    thinking: ".text-advance-thinking-content",
  },
  setup,
  chat,
});
