// The keys, their scopes and limits. A new key is shown once.

import { html, useState } from "../html.js";
import { named, patch, post, remove } from "../api.js";
import { clock } from "../format.js";
import { useStore } from "../store.js";
import { Dialog, confirm, show } from "../components/dialogs.js";
import { ActionButton, Code, Empty, Segments } from "../components/parts.js";
import { Icon } from "../components/icons.js";
import { attempt } from "../components/toasts.js";
import { LimitFields, LimitsLine, asFields, asLimits } from "./key_limits.js";

const SCOPES = [
  ["chat", "Chat"],
  ["metrics", "Metrics"],
  ["admin", "Admin"],
];
const HINTS = {
  chat: "Chat, list models, and use files.",
  metrics: "Read /metrics, and nothing else.",
  admin: "Everything, including this dashboard: accounts, keys, live views.",
};

export function Keys() {
  const keys = useStore((state) => state.keys);
  const add = () => show(AddKey);
  const button = html`<button class="button primary" onClick=${add}><${Icon} name="plus" />New key</button>`;
  return html`<section class="card" aria-labelledby="keys">
    <header class="card-head"><h2 id="keys">Keys</h2>${keys?.length > 0 && button}</header>
    ${keys === null && html`<div class="skeleton block" aria-busy="true"></div>`}
    ${keys?.length === 0 && html`<${Empty} icon="key" title="No key yet"
      action=${button}>Clients send a chat key; scripts that administer the bridge send an admin key.<//>`}
    ${keys?.length > 0 && html`<ul class="lines">${keys.map((key) => html`<${Key} key=${key.id} entry=${key} />`)}</ul>`}
  </section>`;
}

function Key({ entry }) {
  const { id, name, scope, created, hint } = entry;
  const isOwn = useStore((state) => state.ownKey) === id;
  const revoke = async () => {
    const whose = isOwn ? "You are signed in with this key; revoking it signs you out. " : "";
    const text = `${whose}Clients that use it get status 401 from now on. This cannot be undone.`;
    if (!(await confirm({ title: `Revoke ${name}?`, text, action: "Revoke" }))) return;
    await attempt(() => remove(named("keys", id)), `${name} is revoked.`);
  };
  return html`<li class="key-line"><span class="clip"><b>${name}</b> <code class="soft">${hint}</code>${
    isOwn ? html` <span class="small soft">used by this session</span>` : null
  }</span>
    <span class=${`badge plain ${scope === "admin" ? "warn" : ""}`}>${scope}</span>
    <span class="small soft created">${created ? clock(created) : ""}</span>
    <span class="key-actions">${
      entry.plain === false
        ? html`<button class="button small" aria-label=${`Limits of ${name}`}
          onClick=${() => show(EditLimits, { entry })}>Limits</button>`
        : null
    }
    <${ActionButton} class="button small danger" aria-label=${`Revoke ${name}`} run=${revoke}>Revoke<//></span><${LimitsLine} ...${entry} /></li>`;
}

function EditLimits({ entry, close }) {
  const [fields, setFields] = useState(asFields(entry.limits));
  const [problem, setProblem] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    try {
      await patch(named("keys", entry.id), asLimits(fields));
      close();
    } catch (error) {
      setProblem(error.message);
    }
  };
  return html`<${Dialog} title=${`Limits of ${entry.name}`} close=${close} footer=${html`<button class="button"
    onClick=${() => close()}>Cancel</button>
    <button class="button primary" form="limits">Save</button>`}>
    <form id="limits" class="stack" onSubmit=${submit}>
      <p class="small soft">They apply from the next chat on. An empty field means no limit.</p>
      <${LimitFields} fields=${fields} onChange=${setFields} />
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
    </form><//>`;
}

function AddKey({ close }) {
  const [name, setName] = useState("");
  const [scope, setScope] = useState("chat");
  const [fields, setFields] = useState(asFields());
  const [made, setMade] = useState(null);
  const [problem, setProblem] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    try {
      setMade(await post("keys", { name: name.trim(), scope, ...asLimits(fields) }));
    } catch (error) {
      setProblem(error.message);
    }
  };
  if (made)
    return html`<${Dialog} title=${`Key ${made.name}`} close=${close} footer=${html`<button class="button primary"
      onClick=${() => close()}>Done</button>`}>
    <div class="stack"><p>Copy it now: it is not shown again.</p><${Code} text=${made.key} what="the key" />
      </div><//>`;
  return html`<${Dialog} title="New key" close=${close} footer=${html`<button class="button"
    onClick=${() => close()}>Cancel</button>
    <button class="button primary" form="new-key" disabled=${!name.trim()}>Make it</button>`}>
    <form id="new-key" class="stack" onSubmit=${submit}>
      <label class="field"><span>Name</span><input class="input" autofocus required
        value=${name} autocomplete="off" placeholder="laptop"
        onInput=${(event) => setName(event.target.value)} /><span class="hint">Says who uses it.</span></label>
      <div class="field"><span>What it may do</span><div>
        <${Segments} label="Scope" name="scope" options=${SCOPES} value=${scope} onChange=${setScope} /></div>
        <span class="hint">${HINTS[scope]}</span></div>
      <details><summary>Limits</summary><${LimitFields} fields=${fields} onChange=${setFields} /></details>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
    </form><//>`;
}
