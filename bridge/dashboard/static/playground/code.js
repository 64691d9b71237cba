// The last request as code, in three languages.

import { html, useState } from "../html.js";
import { Code, Segments } from "../components/parts.js";
import { LANGUAGES, snippet } from "./snippets.js";

export function CodeFor({ body, isAsked }) {
  const [language, setLanguage] = useState("curl");
  const name = LANGUAGES.find(([key]) => key === language)[1];
  return html`<section class="card pad stack" aria-labelledby="code">
    <h2 id="code">${isAsked ? "The same, as code" : "As code"}</h2>
    <${Segments} label="Language" name="language" options=${LANGUAGES} value=${language} onChange=${setLanguage} />
    <${Code} text=${snippet(language, body)} what=${name} />
    <p class="small soft">Replace the dots with a chat key; <a href="#setup/keys">Setup</a> creates one.</p>
  </section>`;
}
