// The dialog that begins to learn a site: opens its page in the live view, where one chat yields the site file.

import { html, useEffect, useState } from "../html.js";
import { get, post } from "../api.js";
import { Dialog } from "../components/dialogs.js";
import { ActionButton } from "../components/parts.js";
import { liveUrl } from "./account_actions.js";

const ENDED = ["learned", "unproven", "failed"];

export function LearnSite({ close }) {
  const [url, setUrl] = useState("");
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const [earlier, setEarlier] = useState([]);
  useEffect(() => {
    get("learnings").then(
      ({ learnings }) => setEarlier(learnings.reverse()),
      (error) => setProblem(error.message),
    );
  }, []);
  const submit = async () => {
    setProblem("");
    try {
      const { id } = await post("learnings", { url: url.trim(), ...(name.trim() && { name: name.trim() }) });
      close();
      location.assign(liveUrl({ learning: id }));
    } catch (error) {
      setProblem(error.message);
    }
  };
  const footer = html`<button type="button" class="button" onClick=${() => close()}>Cancel</button>
    <${ActionButton} class="button primary" run=${submit} disabled=${!url.trim()}>Open the page<//>`;
  return html`<${Dialog} title="Learn a site" close=${close} footer=${footer}>
    <form class="stack" onSubmit=${(event) => {
      event.preventDefault();
      if (url.trim()) submit();
    }}>
      <p class="small soft">For a chat page that the bridge does not know yet. Its page opens in a live view: sign in there,
        and send the prompt that is shown. The bridge then sends up to ten more prompts, writes the site file, and tests it
        with three or four chats, all with your account.</p>
      <label class="field"><span>Address of an empty chat</span>
        <input class="input" type="url" value=${url} placeholder="https://chat.example.com" autofocus=${true}
          maxlength="500" spellcheck=${false} autocomplete="off" autocapitalize="none"
          onInput=${(event) => setUrl(event.target.value)} /></label>
      <label class="field"><span>Name of the site (optional)</span>
        <input class="input" value=${name} placeholder="example" maxlength="32" spellcheck=${false} autocomplete="off"
          autocapitalize="none" onInput=${(event) => setName(event.target.value)} />
        <span class="hint">Small letters, digits and -. Without one it is taken from the address.</span></label>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      <${Earlier} learnings=${earlier} />
      <button type="submit" hidden></button>
    </form><//>`;
}

function Earlier({ learnings }) {
  if (!learnings.length) return null;
  return html`<div class="small"><p class="soft">Learned in the last hour</p>
    <ul class="plain-list">${learnings.map(
      ({ id, name, state }) => html`<li key=${id}><a href=${liveUrl({ learning: id })}>${name}</a>${" "}
        <span class="soft">${ENDED.includes(state) ? state : "running"}</span></li>`,
    )}</ul></div>`;
}
