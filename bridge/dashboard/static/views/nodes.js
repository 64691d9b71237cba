// The nodes that share the pool: the state of each, and a button that drains it.

import { html } from "../html.js";
import { named, post } from "../api.js";
import { plural } from "../format.js";
import { useStore } from "../store.js";
import { confirm } from "../components/dialogs.js";
import { ActionButton, Empty } from "../components/parts.js";
import { attempt } from "../components/toasts.js";

export function Nodes() {
  const cluster = useStore((state) => state.cluster);
  return html`<div class="view">
    <header class="view-head"><h1 tabindex="-1">Nodes</h1>
      ${cluster && html`<span class="small soft">${plural(cluster.nodes.length, "node")}</span>`}</header>
    ${cluster ? html`<${List} cluster=${cluster} />` : html`<${Alone} />`}
  </div>`;
}

function Alone() {
  return html`<div class="card"><${Empty} icon="nodes" title="No other node">
    This bridge does not share its accounts with other nodes.<//></div>`;
}

function List({ cluster: { nodes, unplaced } }) {
  const number = unplaced.length === 1 ? "One account is" : `${unplaced.length} accounts are`;
  return html`<div class="card nodes">
    <div class="node-heads small soft" aria-hidden="true"><span>Node</span><span>State</span><span>Accounts</span>
      <span>Chats</span><span>Version</span><span></span></div>
    <ul aria-label="Nodes">${nodes.map((node) => html`<${Node} key=${node.name} node=${node} />`)}</ul>
    ${unplaced.length > 0 && html`<p class="quiet-line warn-text">${`${number} on no node: ${unplaced.join(", ")}`}</p>`}
  </div>`;
}

function Node({ node }) {
  const { name, own, address, accounts, capacity, ready, busy, waiting, version, clock_ahead: ahead } = node;
  const [kind, label] = stateOf(node);
  return html`<li class="node-row">
    <div class="node-name"><span class="clip" title=${name}><b>${name}</b>${own && html` <span class="small soft">this one</span>`}</span>
      <span class="small faint mono clip" title=${address}>${address}</span></div>
    <div class="node-state"><span class=${`badge ${kind}`}>${label}</span>
      ${ahead ? html`<span class="small warn-text">${clockNote(ahead)}</span>` : null}</div>
    <div class="node-accounts">${accounts}<span class="faint">/${capacity}</span>${" "}
      <span class="soft small">accounts, ${ready} ready</span></div>
    <div class="node-chats">${busy} <span class="soft small">running, ${waiting} waiting</span></div>
    <div class="node-version small soft">${version}</div>
    <div class="node-act"><${Drain} node=${node} /></div>
  </li>`;
}

function clockNote(ahead) {
  return `Clock ${plural(Math.round(Math.abs(ahead)), "second")} ${ahead > 0 ? "ahead" : "behind"}`;
}

function stateOf({ leaving, accounts }) {
  if (leaving === "stopping") return ["warn", "Stopping"];
  if (leaving) return ["warn", accounts ? "Draining" : "Drained"];
  return ["ok", "In service"];
}

function Drain({ node: { name, leaving } }) {
  if (leaving === "stopping") return null;
  const path = named("cluster/nodes", name);
  const undo = () => attempt(() => post(`${path}/undrain`), `${name} may take accounts again.`);
  if (leaving) return html`<${ActionButton} class="button small" run=${undo}>Undo<span class="hidden-text"> the drain of ${name}</span><//>`;
  const drain = async () => {
    const text =
      "It hands its accounts over to the other nodes, each after its running chat, and takes none until you undo this. It still takes requests.";
    if (await confirm({ title: `Drain ${name}?`, text, action: "Drain" }))
      await attempt(() => post(`${path}/drain`), `${name} gives back its accounts.`);
  };
  return html`<${ActionButton} class="button small" run=${drain}>Drain<span class="hidden-text"> ${name}</span><//>`;
}
