// Doubao: a rich editor beside a hidden twin of it, a promotion over the page, and a provisional address in the first
// answer.

import { events, parsed } from "./frames.js";
import { $, $$, boot, run } from "./kit.js";
import { fileCall, takesFiles } from "./uploads.js";
import { dialog, menu } from "./widgets.js";

const HTML = `
<aside><button class="login-btn-header-x1" data-out data-signs-in>登录</button><span class="avatar" data-in>Me</span>
  <div class="new-chat-entry">新对话</div></aside>
<main>
  <div class="message-list" data-rows></div>
  <textarea class="semi-input-textarea" placeholder="发消息..." hidden></textarea>
  <div id="input-engine-container">
    <div class="attachment-list"></div>
    <input type="file" multiple hidden>
    <div role="textbox" contenteditable="true" class="tiptap ProseMirror"></div>
    <button type="button" aria-haspopup="menu" data-testid="chat_input_action_model">快速</button>
    <div class="model-list floating"><div role="menuitem">豆包 快速</div><div role="menuitem">豆包 2.1 Turbo 思考</div>
      <div role="menuitem">豆包 2.1 Turbo 专家</div></div>
  </div>
  <button id="flow-end-msg-send" type="button">↑</button>
  <div class="break-btn-x1">■</div>
</main>`;

const DEPTHS = { 快速: 0, 思考: 1, 专家: 3 };

function setMode(page, name) {
  page.state.depth = DEPTHS[name.split(" ").at(-1)];
  $("[data-testid=chat_input_action_model]").textContent = localStorage.mode = name;
}

// A file goes to a host of its own, which a first call names, under a name that the prompt says then.
async function take(page, file) {
  const query = `?Action=ApplyImageUpload&Version=2018-08-01&FileSize=${file.size}`;
  const { Result } = await fileCall(page, `/top/v1${query}`, undefined, { method: "GET" });
  const [{ StoreUri, Auth }] = Result.UploadAddress.StoreInfos;
  const headers = { authorization: Auth, "content-type": "application/octet-stream" };
  await fileCall(page, `/upload/v1/${StoreUri}`, file, { method: "PUT", headers, host: boot.store });
  const [type, kind] = file.type.startsWith("image/") ? [1, "image"] : [2, "file"];
  return { type, identifier: StoreUri, [kind]: { name: file.name, uri: StoreUri }, upload_status: 1, progress: 100 };
}

function setup(page) {
  takesFiles(page, {
    input: "input[type=file]",
    list: ".attachment-list",
    card: `<div class="attachment-item-x1"></div>`,
    take: (file) => take(page, file),
  });
  menu($("[data-testid=chat_input_action_model]"), $(".model-list"));
  $$("[role=menuitem]").forEach((item) =>
    item.addEventListener("click", () => {
      setMode(page, item.textContent);
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

function message(block_type, content) {
  return { content_block: [{ block_type, content }], message_status: 0 };
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
    messages: [
      ...(state.files.length ? [message(10052, { attachment_block: { attachments: state.files } })] : []),
      message(10000, { text_block: { text } }),
    ],
    option: {
      need_deep_think: state.depth,
      need_create_conversation: isFirst,
      sse_recv_event_options: { support_chunk_delta: true },
    },
    ext: { use_deep_think: `${state.depth}` },
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
