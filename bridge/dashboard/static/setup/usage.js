// The usage of the keys: chats and tokens, by key, model, account or day.

import { html, useEffect, useState } from "../html.js";
import { download, get } from "../api.js";
import { clipped, count } from "../format.js";
import { useStore } from "../store.js";
import { ActionButton, Empty, Segments } from "../components/parts.js";
import { Icon } from "../components/icons.js";
import { attempt } from "../components/toasts.js";

const SPANS = [
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
];
const GROUPS = [
  ["key", "Key"],
  ["model", "Model"],
  ["account", "Account"],
  ["day", "Day"],
];

export function Usage() {
  const [since, setSince] = useState("30d");
  const [by, setBy] = useState("key");
  const [{ rows, missing }, problem] = useUsage(since, by);
  const table = () => attempt(() => download("GET", `usage.csv?${new URLSearchParams({ since, by })}`, "usage.csv"));
  return html`<section class="stack" aria-label="Usage">
    <div class="filters">
      <${Segments} label="Time" name="since" options=${SPANS} value=${since} onChange=${setSince} />
      <${Segments} label="Sum up by" name="by" options=${GROUPS} value=${by} onChange=${setBy} />
      ${rows?.length > 0 && html`<${ActionButton} class="button small" run=${table}><${Icon} name="save" />CSV<//>`}
    </div>
    ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
    ${missing.length > 0 && html`<p class="notice" role="status">Not in these sums: what ${missing.join(", ")} recorded; no answer now.</p>`}
    <div class="card">
      ${rows === null && !problem && html`<div class="skeleton block" aria-busy="true"></div>`}
      ${rows?.length === 0 && html`<${Empty} icon="charts" title="Nothing was used">
        Usage is counted from the first chat of each key.<//>`}
      ${rows?.length > 0 && html`<${Table} rows=${rows} by=${by} />`}
    </div></section>`;
}

function Table({ rows, by }) {
  const most = Math.max(...rows.map(({ tokens }) => tokens), 1);
  const heading = GROUPS.find(([key]) => key === by)[1];
  return html`<div class="scroller" tabindex="0" role="region" aria-label=${`Usage by ${heading.toLowerCase()}`}>
    <table class="table usage"><thead><tr><th scope="col">${heading}</th><th scope="col">Chats</th>
      <th scope="col">Failed</th><th scope="col">Prompt tokens</th><th scope="col">Answer tokens</th>
      <th scope="col">Tokens</th></tr></thead>
    <tbody>${rows.map((row) => html`<${Row} key=${row[by]} row=${row} by=${by} most=${most} />`)}</tbody></table></div>`;
}

function Row({ row, by, most }) {
  const name = by === "key" ? row.name || "no key" : row[by] || "none";
  return html`<tr><th scope="row" class="long">${clipped(name, 80)}</th><td>${count(row.chats)}</td>
    <td class=${row.failed ? "" : "faint"}>${count(row.failed)}</td><td>${count(row.prompt_tokens)}</td>
    <td>${count(row.completion_tokens)}</td>
    <td>${count(row.tokens)}<span class="meter" aria-hidden="true">
      <span style=${{ width: `${(100 * row.tokens) / most}%` }}></span></span></td></tr>`;
}

const UNKNOWN = { rows: null, missing: [] };

// Loads the sums and the nodes that are missing in them, again every minute.
function useUsage(since, by) {
  const [sums, setSums] = useState(UNKNOWN);
  const [problem, setProblem] = useState("");
  const minute = useStore((state) => state.minute);
  useEffect(() => setSums(UNKNOWN), [since, by]);
  useEffect(() => {
    const stopped = new AbortController();
    get(`usage?${new URLSearchParams({ since, by })}`, { signal: stopped.signal }).then(
      ({ usage: rows, missing = [] }) => {
        setProblem("");
        setSums({ rows, missing });
      },
      (error) => error.name !== "AbortError" && setProblem(error.message),
    );
    return () => stopped.abort();
  }, [since, by, minute]);
  return [sums, problem];
}
