// StepFun: a text box under a dialog for those who are not signed in; the page makes a session before the first prompt.

import { connectFrame, connectFrames } from "./frames.js";
import { $, run } from "./kit.js";
import { fileCall, takesFiles, untilRead } from "./uploads.js";
import { toggle } from "./widgets.js";

const HTML = `
<aside><button class="new-session" type="button">新建会话</button><span class="user-avatar" data-in>Me</span></aside>
<div class="dialog login-dialog" data-out><div>欢迎来到阶跃AI<label>阅读并同意</label>
  <button type="button" data-signs-in>下一步</button></div></div>
<main id="contentContainer">
  <div class="turns" data-rows></div>
  <div class="Publisher_files__x1"></div>
  <input type="file" multiple hidden>
  <textarea class="Publisher_textarea__x1" placeholder="可以问我任何问题"></textarea>
  <button type="button" class="mode-reason" aria-pressed="false">推理</button>
  <button type="button" class="publish"><span class="custom-icon-send-outline">➤</span></button>
  <button type="button" class="stop-generating" aria-label="停止">■</button>
</main>`;

async function take(page, file) {
  const headers = { "content-type": file.type, "stepchat-meta-size": String(file.size), "oasis-appid": "10200" };
  const address = `/api/storage?file_name=${encodeURIComponent(file.name)}`;
  const { id } = await fileCall(page, address, file, { method: "PUT", headers });
  const status = "/api/proto.file.v1.FileService/GetFileStatus";
  await untilRead(page, status, id, (answer) => !answer.needFurtherCall);
  return { attachmentType: file.type, attachmentId: id, name: file.name, size: String(file.size) };
}

function setup(page) {
  toggle($(".mode-reason"), "aria-pressed", (on) => (page.state.thinking = on));
  takesFiles(page, {
    input: "input[type=file]",
    list: ".Publisher_files__x1",
    card: `<div class="Publisher_file__x1"></div>`,
    failed: "Publisher_failed__x1",
    take: (file) => take(page, file),
  });
}

async function chat(page, text, isFirst) {
  const { state } = page;
  const { files } = state;
  if (isFirst) {
    const made = await page.call("POST", "/api/agent/capy.agent.v1.AgentService/CreateChatSession", {});
    page.setConversation(made.chatSession.chatSessionId);
  }
  const body = connectFrame({
    message: {
      chatSessionId: state.conversation,
      ...(state.parent && { parentMessageId: state.parent }),
      content: { userMessage: { qa: { content: text, ...(files.length && { attachments: files }) } } },
    },
    config: { model: "step-auto", enableReasoning: state.thinking },
  });
  const headers = { "content-type": "application/connect+json", "oasis-appid": "10200", "oasis-platform": "web" };
  let said = "";
  let thought = "";
  for await (const { data } of page.ask(connectFrames, { body, headers })) {
    if (data.error) throw new Error(data.error.message);
    const { startEvent, textEvent, reasoningEvent } = data.data?.event ?? {};
    if (startEvent) state.parent = startEvent.messageId;
    if (reasoningEvent) page.row.thinking((thought += reasoningEvent.text));
    if (textEvent) page.row.text((said += textEvent.text));
  }
}

run({
  html: HTML,
  box: "textarea",
  send: "button.publish",
  hidesSend: true,
  stop: "button.stop-generating",
  newChat: ".new-session",
  home: "/chats/new",
  chatAt: (id) => `/chats/${id}`,
  idOf: ({ pathname }) => /^\/chats\/(?!new)([\w-]+)/.exec(pathname)?.[1],
  rows: {
    list: ".turns",
    user: `<div data-id="u" class="justify-end"><div class="claw-bubble text"></div></div>`,
    assistant: `<div data-id="a" class="justify-start"><div class="thought-card"></div><div class="text"></div></div>`,
    text: ".text",
    thinking: ".thought-card",
  },
  setup,
  chat,
});
