// The list of accounts: which can chat now, which cannot and why, and which need a person.

import { html, useState } from "../html.js";
import { useStore } from "../store.js";
import { show } from "../components/dialogs.js";
import { Icon } from "../components/icons.js";
import { Empty, Search, Segments } from "../components/parts.js";
import { AccountRow } from "./account_row.js";
import { AddAccount } from "./add_account.js";
import { LearnSite } from "./learn_site.js";
import { GROUPS, matches } from "./account_state.js";

const FEW = 3; // accounts up to which the list has no filters

export const add = () => show(AddAccount);
const learn = () => show(LearnSite);

export function Accounts() {
  const accounts = useStore((state) => state.accounts);
  const [group, setGroup] = useState("all");
  const [words, setWords] = useState("");
  const addButton = html`<div class="row wrap actions"><button class="button" onClick=${learn}>Learn a site</button>
    <button class="button primary" onClick=${add}><${Icon} name="plus" />Add account</button></div>`;
  return html`<div class="view">
    <header class="view-head"><h1 tabindex="-1">Accounts</h1>${accounts?.length > 0 && addButton}</header>
    ${accounts === null && html`<${Skeleton} />`}
    ${accounts?.length === 0 && html`<${None} action=${addButton} />`}
    ${accounts?.length > FEW && html`<${Filters} accounts=${accounts} group=${group} setGroup=${setGroup} words=${words}
      setWords=${setWords} />`}
    ${accounts?.length > 0 && html`<${List} accounts=${accounts} group=${accounts.length > FEW ? group : "all"}
      words=${words} />`}
  </div>`;
}

function None({ action }) {
  return html`<div class="card"><${Empty} icon="accounts" title="No account yet" action=${action}>
    Log one in here, through the site's own sign-in page, or import a login that you already have. On the bridge's machine${" "}
    <code>bridge login NAME</code>${" "}does the same.<//></div>`;
}

function Filters({ accounts, group, setGroup, words, setWords }) {
  const options = GROUPS.map(([key, label, isIn]) => [key, label, accounts.filter(isIn).length]).filter(
    ([key, , number]) => number || key === "all" || key === group,
  );
  return html`<div class="filters">
    <${Segments} label="Show" name="group" options=${options} value=${group} onChange=${setGroup} />
    <${Search} label="Find an account" value=${words} onChange=${setWords} /></div>`;
}

function List({ accounts, group, words }) {
  const shown = accounts.filter((account) => matches(account, group, words));
  if (!shown.length)
    return html`<div class="card">
      <${Empty} icon="search" title="No account matches">Choose another group, or change the search.<//></div>`;
  return html`<div class="card accounts">
    <div class="account-heads small soft" aria-hidden="true">
      <span></span><span>Account</span><span>State</span><span>Chat</span><span>Sends</span><span>Last</span>
        <span></span></div>
    <ul aria-label="Accounts">${shown.map((account) => html`<${AccountRow} key=${account.name}
      account=${account} />`)}</ul>
  </div>`;
}

function Skeleton() {
  return html`<div class="card accounts" aria-busy="true" aria-label="Loading">${[1, 2, 3].map((row) => html`<div
    key=${row} class="account skeleton"></div>`)}</div>`;
}
