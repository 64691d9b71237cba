// The dialog that adds an account: with a login through the live view, or with an existing login.

import { html, useEffect, useState } from "../html.js";
import { get, post } from "../api.js";
import { Dialog } from "../components/dialogs.js";
import { ActionButton, Segments, Switch } from "../components/parts.js";
import { tell } from "../components/toasts.js";
import { store } from "../store.js";
import { liveUrl } from "./account_actions.js";

const WAYS = [
  ["login", "Log in here"],
  ["storage", "State file"],
  ["token", "Token"],
  ["profile", "Profile"],
];

export function AddAccount({ close }) {
  const [sites, setSites] = useState([]);
  const [fields, setFields] = useState({ name: "", site: "", url: "", token: "", file: null, key: "", keep: false });
  const [way, setWay] = useState("login");
  const [problem, setProblem] = useState("");
  const set = (name) => (value) => setFields((before) => ({ ...before, [name]: value }));
  useEffect(() => {
    get("sites").then(
      ({ sites: known }) => {
        setSites(known);
        const used = store.accounts?.[0]?.site; // most operators have accounts on one site only
        set("site")((known.find(({ name }) => name === used) ?? known[0])?.name ?? "");
      },
      (error) => setProblem(error.message),
    );
  }, []);
  const submit = async () => {
    setProblem("");
    try {
      await added(way, fields, close);
    } catch (error) {
      setProblem(error.message);
    }
  };
  const footer = html`<button type="button" class="button" onClick=${() => close()}>Cancel</button>
    <${ActionButton} class="button primary" run=${submit} disabled=${!isComplete(way, fields)}>
      ${way === "login" ? "Open the sign-in page" : "Add account"}<//>`;
  return html`<${Dialog} title="Add account" close=${close} footer=${footer}>
    <form class="stack" onSubmit=${(event) => {
      event.preventDefault();
      if (isComplete(way, fields)) submit();
    }}>
      <${Text} label="Name" value=${fields.name} onInput=${set("name")} autofocus=${true} placeholder="me"
        hint="The name of the account here, such as me or work-2." />
      <div class="two">
        <${Site} sites=${sites} value=${fields.site} onChange=${set("site")} />
        <${Text} label="Address (optional)" type="url" value=${fields.url} onInput=${set("url")}
          placeholder=${sites.find((site) => site.name === fields.site)?.url ?? "https://"} />
      </div>
      <${Segments} label="How" name="way" options=${WAYS} value=${way} onChange=${setWay} />
      <${Way} way=${way} fields=${fields} set=${set} />
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      <button type="submit" hidden></button>
    </form><//>`;
}

function Text({ label, value, onInput, hint, type = "text", placeholder = "", ...more }) {
  return html`<label class="field"><span>${label}</span>
    <input class="input" type=${type} value=${value} placeholder=${placeholder}
      spellcheck=${false} autocomplete="off" autocapitalize="none"
      onInput=${(event) => onInput(event.target.value)} ...${more} />
    ${hint && html`<span class="hint">${hint}</span>`}</label>`;
}

function Site({ sites, value, onChange }) {
  return html`<label class="field"><span>Site</span>
    <select class="input" value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${sites.map((site) => html`<option key=${site.name} value=${site.name}>${site.title || site.name}</option>`)}
    </select></label>`;
}

function Way({ way, fields, set }) {
  if (way === "login") {
    return html`<p class="small soft">
        The site's sign-in page opens in a live view. Sign in there, as you would in your own browser. The bridge
        notices, keeps the login encrypted on its own machine, and takes chats with it at once.</p>
      <${Switch} label="Keep the browser's folder, for a login that cannot be copied" checked=${fields.keep}
        onChange=${set("keep")} />
      ${fields.keep && html`<p class="notice warn small" role="status">The folder is as secret as the login, and it is not encrypted.</p>`}`;
  }
  if (way === "token") {
    return html`<${Text} label="Token" type="password" value=${fields.token} onInput=${set("token")}
      hint="The value of userToken in the site's local storage, in a browser that is signed in." />`;
  }
  const [label, accept, hint] =
    way === "storage"
      ? [
          "Storage-state file",
          ".json,application/json",
          "The JSON that Playwright's storage_state() writes: cookies and local storage.",
        ]
      : [
          "Profile file",
          ".age",
          "NAME.age from the profiles folder of another machine.",
        ];
  return html`<label class="field"><span>${label}</span>
    <input key=${way} class="input" type="file" accept=${accept}
      onChange=${(event) => set("file")(event.target.files[0] ?? null)} />
    <span class="hint">${hint}</span></label>
    ${
      way === "profile" &&
      html`<${Text} label="That machine's profile key (optional)" type="password" value=${fields.key} onInput=${set("key")}
        hint="The line AGE-SECRET-KEY-1… in its profile.key; leave it empty if both machines have the same key." />`
    }`;
}

function isComplete(way, { name, site, token, file }) {
  const isGiven = { login: true, token: Boolean(token.trim()), storage: Boolean(file), profile: Boolean(file) }[way];
  return Boolean(name.trim() && site && isGiven);
}

async function added(way, fields, close) {
  const account = { name: fields.name.trim(), site: fields.site, ...(fields.url.trim() && { url: fields.url.trim() }) };
  if (way === "login") {
    const { id } = await post("logins", { ...account, ...(fields.keep && { keep_browser: true }) });
    close();
    return location.assign(liveUrl({ login: id }));
  }
  const { message } = await post("accounts", { ...account, ...(await login(way, fields)) });
  tell(message || `${account.name} has been added.`);
  return close();
}

async function login(way, { token, file, key }) {
  if (way === "token") return { token: token.trim() };
  if (way === "profile") return { profile: await base64(file), ...(key.trim() && { profile_key: key.trim() }) };
  try {
    return { storage_state: JSON.parse(await file.text()) };
  } catch {
    throw new Error(`${file.name} is not JSON. Choose the file that storage_state() wrote.`);
  }
}

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
