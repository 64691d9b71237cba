// The files of a prompt: each goes up by the page's own calls, and has a card that shows how far it is.

import { $, element, toast } from "./widgets.js";

// `input`: the page's own input; `list`: where the cards stand; `card`: one of them, whose name is in `name`;
// `reading` and `failed`: its classes then; without `failed` it goes away, and a message says why; `remove`: what takes
// it away; `holds`: whether nothing is sent meanwhile; `shown`: what of a file's name the card shows; `take`: sends a
// file, and returns what the prompt says of it.
export function takesFiles(page, site) {
  let running = 0;
  const note = (more) => {
    running += more;
    page.isUploading = Boolean(site.holds && running);
    page.draw();
  };
  const take = async (file) => {
    const card = element(site.card);
    const name = site.name ? $(site.name, card) : card;
    name.prepend(site.shown?.(file.name) ?? file.name);
    if (site.reading) card.classList.add(site.reading);
    $(site.list).append(card);
    note(+1);
    try {
      const taken = await site.take(file);
      page.state.files.push(taken);
      if (site.remove) $(site.remove, card).addEventListener("click", () => drop(card, taken));
    } catch (error) {
      if (site.failed) card.classList.add(site.failed);
      else card.remove(), toast(error.message, page.site.notice);
    }
    if (site.reading) card.classList.remove(site.reading);
    note(-1);
  };
  const drop = (card, taken) => {
    page.state.files = page.state.files.filter((one) => one !== taken);
    card.remove();
  };
  page.clearFiles = () => $(site.list).replaceChildren();
  $(site.input).addEventListener("change", (event) => [...event.target.files].forEach(take));
}

// Makes one of the page's calls around a file, and returns its answer.
export async function fileCall(page, path, body, { method = "POST", headers = {}, host = "" } = {}) {
  const init = { method, body, headers: { ...page.headers(), ...headers }, credentials: host ? "include" : "same-origin" };
  const response = await fetch(`${host}${path}`, init);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? answer.message ?? `HTTP ${response.status}`);
  return answer;
}

export function form(file) {
  const body = new FormData();
  body.append("file", file);
  return body;
}

// Asks again and again whether a file is read.
export async function untilRead(page, path, id, isRead) {
  const headers = { "content-type": "application/json" };
  while (!isRead(await fileCall(page, path, JSON.stringify({ id }), { headers }))) await pause(300);
}

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
