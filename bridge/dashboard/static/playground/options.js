// The options of a request: model, streaming, reasoning, search, tools.

import { html } from "../html.js";
import { Switch } from "../components/parts.js";

export const TOOLS = JSON.stringify(
  [
    {
      type: "function",
      function: {
        name: "get_weather",
        description: "The weather of a town",
        parameters: { type: "object", properties: { town: { type: "string" } }, required: ["town"] },
      },
    },
  ],
  null,
  2,
);

export function parsedTools(text) {
  try {
    const tools = JSON.parse(text);
    if (Array.isArray(tools)) return tools;
  } catch {
    // Not JSON: the error below says what is expected.
  }
  throw new Error("The tools are not a JSON list. Write them in the form of OpenAI's API.");
}

export function Options({ options, setOptions, models }) {
  const set = (name) => (value) => setOptions({ ...options, [name]: value });
  return html`<section class="card pad stack" aria-label="Options">
    <label class="field"><span>Model</span>
      <select class="input" value=${options.model} onChange=${(event) => set("model")(event.target.value)}>
        ${!models.length && html`<option value="">none available now</option>`}
        ${models.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select></label>
    <div class="switches">
      <${Switch} label="Stream" checked=${options.stream} onChange=${set("stream")} />
      <${Switch} label="Reasoning" checked=${options.think} onChange=${set("think")} />
      <${Switch} label="Search" checked=${options.search} onChange=${set("search")} />
      <${Switch} label="Tools" checked=${options.hasTools} onChange=${set("hasTools")} />
    </div>
    ${
      options.hasTools &&
      html`<label class="field"><span>Tools, as JSON</span>
      <textarea class="input mono" rows="8" spellcheck=${false} value=${options.tools}
        onInput=${(event) => set("tools")(event.target.value)}></textarea></label>`
    }
  </section>`;
}
