// Jimeng: a rich editor, and a job that the page asks for until its pictures are there.

import { boot, element, run } from "./kit.js";

const HTML = `
<nav><span class="avatar" data-in>Me</span><button type="button" class="login-button" data-out data-signs-in>登录</button></nav>
<main>
  <div class="records" data-rows></div>
  <div contenteditable="true" class="prompt-editor ProseMirror"></div>
  <button type="button" class="lv-btn lv-btn-primary lv-btn-shape-circle submit">↑</button>
  <button type="button" class="cancel">■</button>
</main>`;

async function chat(page, text) {
  const core_param = { model: "high_aes_general_v50", prompt: text };
  const draft = { component_list: [{ abilities: { generate: { core_param } } }] };
  const body = {
    extend: { root_model: "high_aes_general_v50", workspace_id: 0 },
    submit_id: String(Date.now()),
    metrics_extra: "{}",
    draft_content: JSON.stringify(draft),
  };
  const query = `?aid=513695&babi_param=${encodeURIComponent("{}")}&msToken=m&a_bogus=b`;
  const made = await page.call("POST", `${boot.path}${query}`, body);
  if (made.ret !== "0") throw new Error(made.errmsg);
  await draw(page, made.data.aigc_data.history_record_id);
}

async function draw(page, job) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const state = (await page.call("POST", "/mweb/v1/get_history_by_ids", { history_ids: [job] })).data[job];
    if (state.status === 30) throw new Error(state.fail_msg);
    if (!state.task.finish_time) continue;
    const urls = state.item_list.map((item) => item.image.large_images[0].image_url);
    urls.forEach((url) => page.row.node.append(element(`<img src="${url}" alt="" width="64" height="64">`)));
    return;
  }
}

run({
  html: HTML,
  box: ".prompt-editor",
  editor: { kind: "rich", enter: "line" },
  send: ".submit",
  hidesSend: true,
  stop: ".cancel",
  late: 300,
  home: "/ai-tool/generate?type=image&workspace=0",
  rows: { list: ".records", user: `<div class="record-prompt"></div>`, assistant: `<div class="record-images"></div>` },
  chat,
});
