// Doubao: a rich editor beside a hidden twin of it, a promotion over the page, and a provisional address in the first
// answer.

import { events, parsed } from "./frames.js";
import { $, $$, run } from "./kit.js";
import { dialog, menu } from "./widgets.js";

const HTML = `
<aside><button class="login-btn-header-x1" data-out data-signs-in>登录</button><span class="avatar" data-in>Me</span>
  <div class="new-chat-entry">新对话</div></aside>
<main>
  <div class="message-list" data-rows></div>
  <textarea class="semi-input-textarea" placeholder="发消息..." hidden></textarea>
  <div id="input-engine-container">
    <div role="textbox" contenteditable="true" class="tiptap ProseMirror"></div>
    <button type="button" aria-haspopup="menu" data-testid="chat_input_action_model">快速</button>
    <div class="model-list floating"><div role="menuitem">豆包 快速</div><div role="menuitem">豆包 2.1 Turbo 思考</div></div>
  </div>
  <button id="flow-end-msg-send" type="button">↑</button>
  <div class="break-btn-x1">■</div>
</main>`;

function setMode(page, name) {
  page.state.thinking = name.endsWith("思考");
  $("[data-testid=chat_input_action_model]").textContent = localStorage.mode = name;
}

function setup(page) {
  menu($("[data-testid=chat_input_action_model]"), $(".model-list"));
  $$("[role=menuitem]").forEach((item) =>
    item.addEventListener("click", () => {
      setMode(page, item.textContent.split(" ").at(-1));
      $(".model-list").hidden = true;
    }),
  );
  setMode(page, localStorage.mode ?? "快速");
  if (!localStorage.promoted) promote();
}

function promote() {
  $("main").setAttribute("aria-hidden", "true");
  const node = dialog(`<div role="dialog" class="download-modal">下载电脑版<button class="close">×</button></div>`, ".close");
  $(".close", node).addEventListener("click", () => {
    $("main").removeAttribute("aria-hidden");
    localStorage.promoted = "yes";
  });
}

async function chat(page, text, isFirst) {
  const { state } = page;
  const body = JSON.stringify({
    client_meta: {
      local_conversation_id: `local_${Date.now()}`,
      conversation_id: state.conversation,
      bot_id: "7338286299411103781",
      last_message_id: state.parent ?? "",
    },
    messages: [{ content_block: [{ block_type: 10000, content: { text_block: { text } } }], message_status: 0 }],
    option: {
      need_deep_think: state.thinking ? 1 : 0,
      need_create_conversation: isFirst,
      sse_recv_event_options: { support_chunk_delta: true },
    },
    ext: { use_deep_think: state.thinking ? "1" : "0" },
  });
  const query = "?aid=497858&web_tab_id=1&msToken=m&a_bogus=b";
  const headers = { "content-type": "application/json", "agw-js-conv": "str" };
  const parts = { text: "", thinking: "", open: "text" };
  for await (const { event, data } of page.ask(events, { query, body, headers })) read(page, event, parsed(data), parts);
}

function read(page, event, data, parts) {
  if (!data) return;
  if (event === "STREAM_ERROR") throw new Error(data.error_msg);
  if (event === "SSE_ACK" && !page.state.conversation) page.setConversation(data.ack_client_meta.conversation_id);
  if (event === "STREAM_MSG_NOTIFY") page.state.parent = data.meta.message_id;
  if (event === "CHUNK_DELTA") add(page, parts, data.text);
  const blocks = data.patch_op?.flatMap((patch) => patch.patch_value.content_block) ?? data.content?.content_block ?? [];
  for (const block of blocks) {
    if (block.content?.text_block) parts.open = block.parent_id ? "thinking" : "text";
    add(page, parts, block.content?.text_block?.text ?? "");
  }
}

function add(page, parts, text) {
  parts[parts.open] += text;
  page.row[parts.open](parts[parts.open]);
}

run({
  html: HTML,
  box: "[role=textbox]",
  editor: { kind: "rich", enter: "send" },
  send: "#flow-end-msg-send",
  hidesSend: true,
  stop: ".break-btn-x1",
  newChat: ".new-chat-entry",
  late: 500,
  home: "/chat/",
  chatAt: (id) => `/chat/${id}`,
  idOf: ({ pathname }) => /^\/chat\/(\d+)/.exec(pathname)?.[1],
  provisional: () => `/chat/local_${Date.now()}`,
  swapsAfter: 600,
  rows: {
    list: ".message-list",
    user: `<div data-message-id="q" class="send-message"><div class="text"></div></div>`,
    assistant: `<div data-message-id="a" class="receive-message"><div class="thinking"></div>
      <div class="md-box-root text"></div></div>`,
    text: ".text",
    thinking: ".thinking",
  },
  setup,
  chat,
});
