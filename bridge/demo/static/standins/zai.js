// Z.ai: a text box whose Enter sends nothing, models of which one's name begins like another's, and a captcha that comes
// before anything is sent.

import { events, parsed } from "./frames.js";
import { $, $$, run } from "./kit.js";
import { fileCall, form, takesFiles } from "./uploads.js";
import { dialog, menu, toggle } from "./widgets.js";

const HTML = `
<aside><button id="sidebar-new-chat-button">New Chat</button>
  <button class="sign-in" data-out data-signs-in>Sign in</button><span class="me" data-in>Me</span></aside>
<main>
  <button class="modelSelectorButton" aria-label="选择一个模型">GLM-5.3</button>
  <div data-dropdown-menu-content class="floating">
    <button aria-label="model-item" data-value="glm-5.3-flash"><span class="line-clamp-1">GLM-5.3-Flash</span></button>
    <button aria-label="model-item" data-value="glm-5.3"><span class="line-clamp-1">GLM-5.3</span></button>
  </div>
  <div class="messages" data-rows></div>
  <div class="messageInputContainer">
    <div class="files"></div>
    <input type="file" hidden multiple><button type="button" id="upload-file-button">+</button>
    <textarea id="chat-input" placeholder="How can I help you today?"></textarea>
    <button type="button" class="think" data-autothink="true">Deep Think</button>
    <button type="button" class="search" data-active="false"><svg viewBox="0 0 15 15"></svg>Search</button>
    <button type="button" id="send-message-button">↑</button>
    <button type="button" class="bg-black rounded-full">■</button>
  </div>
</main>`;

function setModel(page, item) {
  page.state.model = item.dataset.value;
  $(".modelSelectorButton").textContent = item.textContent;
}

function setup(page) {
  menu($(".modelSelectorButton"), $("[data-dropdown-menu-content]"));
  $$("[aria-label=model-item]").forEach((item) =>
    item.addEventListener("click", () => {
      setModel(page, item);
      $("[data-dropdown-menu-content]").hidden = true;
    }),
  );
  setModel(page, $("[data-value='glm-5.3']"));
  takesFiles(page, {
    input: "input[type=file]",
    list: ".files",
    card: `<button type="button" class="file"><span class="name"></span><i role="button" aria-label="Remove File">×</i></button>`,
    name: ".name",
    remove: "i",
    holds: true,
    take: async (file) => uploaded(await fileCall(page, "/api/v1/files/", form(file))),
  });
  $("#upload-file-button").addEventListener("click", () => $("input[type=file]").click());
  page.state.thinking = true;
  toggle($(".think"), "data-autothink", (on) => (page.state.thinking = on));
  toggle($(".search"), "data-active", (on) => (page.state.search = on));
}

function uploaded(file) {
  return { type: "file", file, id: file.id, url: `/api/v1/files/${file.id}`, name: file.filename, status: "uploaded" };
}

async function before(page) {
  const { silent } = await page.call("GET", "/api/config");
  if (!silent) dialog(`<p>请完成安全验证</p><div id="aliyunCaptcha-sliding-slider">→</div><button class="no">×</button>`, ".no");
  return !silent;
}

async function chat(page, text, isFirst) {
  const { state } = page;
  if (isFirst) page.setConversation((await page.call("POST", "/api/v1/chats/new", { chat: { messages: [text] } })).id);
  const body = JSON.stringify({
    stream: true,
    model: state.model,
    messages: [{ role: "user", content: text }],
    signature_prompt: text,
    ...(state.files.length && { files: state.files }),
    features: { enable_thinking: state.thinking, auto_web_search: state.search, web_search: false, preview_mode: true },
    chat_id: state.conversation,
    id: "a",
    current_user_message_id: "u",
    current_user_message_parent_id: state.parent,
    captcha_verify_param: "ok",
  });
  const headers = { "content-type": "application/json", "x-signature": "s", "x-fe-version": "prod-fe-1.1.95" };
  const parts = { said: "", thought: "" };
  const query = `?timestamp=${Date.now()}&requestId=r&user_id=u`;
  const ask = async () => {
    for await (const { data } of page.ask(events, { body, headers, query })) read(page, parsed(data), parts);
  };
  await ask().catch((error) => (error.message === "missing_param" ? ask() : Promise.reject(error)));
}

function read(page, frame, parts) {
  const data = frame?.data;
  const error = data?.error ?? data?.data?.error;
  if (error) throw new Error(error.detail ?? error.captcha_error_type ?? error.code);
  if (data?.id) page.state.parent = data.id;
  if (data?.phase === "thinking") page.row.thinking((parts.thought += data.delta_content));
  if (data?.phase === "answer" && data.edit_content) parts.said = data.edit_content;
  else if (data?.phase === "answer") parts.said += data.delta_content;
  page.row.text(parts.said);
}

run({
  html: HTML,
  box: "#chat-input",
  editor: { enter: "line" },
  send: "#send-message-button",
  hidesSend: true,
  stop: ".bg-black.rounded-full",
  newChat: "#sidebar-new-chat-button",
  late: 400,
  chatAt: (id) => `/c/${id}`,
  idOf: ({ pathname }) => /^\/c\/([\w-]+)/.exec(pathname)?.[1],
  rows: {
    list: ".messages",
    user: `<div class="user-message text"></div>`,
    assistant: `<div class="chat-assistant"><div class="thinking-chain-container"></div>
      <div id="response-content-container"><div class="markdown-prose text"></div></div></div>`,
    text: ".text",
    thinking: ".thinking-chain-container",
  },
  setup,
  before,
  chat,
});
