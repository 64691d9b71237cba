// The settings in effect, and the source of each.

import { html, useEffect, useState } from "../html.js";
import { get } from "../api.js";
import { clipped } from "../format.js";
import { Empty, Search, Segments } from "../components/parts.js";
import { ThisNode } from "../components/this_node.js";

const KINDS = [
  ["changed", "Changed"],
  ["all", "All"],
];

export function Settings() {
  const [settings, setSettings] = useState(null);
  const [problem, setProblem] = useState("");
  const [kind, setKind] = useState("all");
  const [words, setWords] = useState("");
  useEffect(() => {
    get("settings").then(
      (answer) => setSettings(answer.settings),
      (error) => setProblem(error.message),
    );
  }, []);
  const sought = words.trim().toLowerCase();
  const shown = (settings ?? []).filter(
    ({ name, variable, description, source }) =>
      (kind === "all" || source !== "default") && `${name} ${variable} ${description}`.toLowerCase().includes(sought),
  );
  const counts = { all: settings?.length, changed: settings?.filter(({ source }) => source !== "default").length };
  return html`<section class="stack" aria-label="Settings">
    <div class="filters"><${Segments} label="Show" name="settings"
      options=${KINDS.map(([key, label]) => [key, label, counts[key]])} value=${kind} onChange=${setKind} />
      <${Search} label="Find a setting" value=${words} onChange=${setWords} /><${ThisNode} /></div>
    ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
    <div class="card">
      ${settings === null && !problem && html`<div class="skeleton block" aria-busy="true"></div>`}
      ${settings && !shown.length && html`<${None} isSearch=${Boolean(sought)} />`}
      ${shown.length > 0 && html`<ul class="lines" aria-label="Settings">${shown.map((setting) => html`<${Setting}
        key=${setting.name} setting=${setting} />`)}</ul>`}
    </div></section>`;
}

function None({ isSearch }) {
  if (isSearch) return html`<${Empty} icon="search" title="No setting matches">Change the search.<//>`;
  return html`<${Empty} icon="setup" title="No setting is changed">
    All settings have their defaults. Change them in bridge.toml or with environment variables.<//>`;
}

function Setting({ setting: { name, variable, value, source, description } }) {
  const isEmpty = value === null || value === "";
  const said = isEmpty ? "empty" : typeof value === "string" ? value : JSON.stringify(value);
  const from = source === "default" ? source : html`<span class="badge plain info">${source}</span>`;
  return html`<li class="setting-line">
    <div><p class="mono setting-name">${name}</p><p class="small soft">${description}</p></div>
    <div>
      <p class="mono setting-value">${clipped(said, 300)}</p>
      <p class="small faint">${from} <span class="mono variable">${variable}</span></p>
    </div>
  </li>`;
}
