// The dialog that renames an account.

import { html, useState } from "../html.js";
import { named, post } from "../api.js";
import { Dialog } from "../components/dialogs.js";
import { tell } from "../components/toasts.js";

export function Rename({ account, close }) {
  const [name, setName] = useState(account.name);
  const [problem, setProblem] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    try {
      const answer = await post(named("accounts", account.name, "/rename"), { to: name.trim() });
      tell(answer.message || `${account.name} is now called ${name.trim()}.`);
      close();
    } catch (error) {
      setProblem(error.message);
    }
  };
  const footer = html`<button class="button" onClick=${() => close()}>Cancel</button>
    <button class="button primary" form="rename"
      disabled=${!name.trim() || name.trim() === account.name}>Rename</button>`;
  return html`<${Dialog} title=${`Rename ${account.name}`} close=${close} footer=${footer}>
    <form id="rename" class="stack" onSubmit=${submit}>
      <label class="field"><span>New name</span>
        <input class="input" autofocus required value=${name} spellcheck=${false} autocomplete="off"
          aria-invalid=${Boolean(problem)} onInput=${(event) => setName(event.target.value)} />
        <span class="hint">The account keeps its conversations.</span></label>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
    </form><//>`;
}
