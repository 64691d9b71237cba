// Configuration to paste for common clients.

import { html, useEffect, useState } from "../html.js";
import { send } from "../api.js";
import { Code, CopyButton } from "../components/parts.js";
import { MODELS } from "../playground/ask.js";
import { KEY, base } from "../playground/snippets.js";
import { CLIENTS } from "./snippets.js";

export function Clients() {
  const [name, setName] = useState(CLIENTS[0].name);
  const [model, setModel] = useState("deepseek-chat");
  const [key, setKey] = useState("");
  const models = useNames();
  const client = CLIENTS.find((one) => one.name === name);
  const given = { base: base(), root: base().replace(/\/v1$/, ""), key: key.trim() || KEY, model };
  return html`<div class="setup-grid">
    <nav class="card clients" aria-label="Clients"><ul>${CLIENTS.map(
      (one) => html`<li key=${one.name}>
      <button aria-pressed=${one.name === name} onClick=${() => setName(one.name)}>${one.name}</button></li>`,
    )}</ul></nav>
    <section class="stack" aria-label=${name}>
      <div class="card pad stack">
        <div class="two">
          <label class="field"><span>Model</span><select class="input" value=${model}
            onChange=${(event) => setModel(event.target.value)}>
            ${[...new Set([model, ...models])].map((one) => html`<option key=${one}>${one}</option>`)}</select></label>
          <label class="field"><span>Chat key</span>
            <input class="input mono" value=${key} placeholder=${KEY} autocomplete="off" spellcheck=${false}
            onInput=${(event) => setKey(event.target.value)} /></label>
        </div>
        <div class="row wrap"><span class="soft">Base URL</span><code class="grow">${given.base}</code>
          <${CopyButton} text=${given.base} what="the base URL" /></div>
      </div>
      <div class="card pad stack">
        <h2>${client.name}</h2>
        <p class="soft">${client.where}</p>
        ${client.code && html`<${Code} text=${client.code(given)} what=${`for ${client.name}`} />`}
        ${client.after && html`<p class="small soft">${client.after}</p>`}
      </div>
    </section>
  </div>`;
}

function useNames() {
  const [names, setNames] = useState([]);
  useEffect(() => {
    send("GET", MODELS)
      .then((response) => response.json())
      .then(
        ({ data }) => setNames(data.map(({ id }) => id)),
        () => {},
      );
  }, []);
  return names;
}
