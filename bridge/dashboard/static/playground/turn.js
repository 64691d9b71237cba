// One question or answer. Answers are shown as plain text, except that fenced code gets a box.

import { html, memo, useState } from "../html.js";
import { clipped, count, duration, plural } from "../format.js";
import { Code, WebLink } from "../components/parts.js";
import { Icon } from "../components/icons.js";

const SHOWN = 200_000;
const SOURCES = 50;

export const Turn = memo(function Turn({ turn, onResults }) {
  if (turn.role === "user")
    return html`<li class="turn asked"><span class="hidden-text">You asked:</span>
      <p class="text" dir="auto">${clipped(turn.text, SHOWN)}</p>
    ${turn.files.length > 0 && html`<p class="row wrap small soft">
      <${Icon} name="clip" />${turn.files.join(", ")}</p>`}</li>`;
  if (turn.role === "tool")
    return html`<li class="turn asked"><p class="small soft">Result of ${turn.name}</p>
      <p class="text mono">${clipped(turn.text, SHOWN)}</p></li>`;
  return html`<${Answer} turn=${turn} onResults=${onResults} />`;
});

function Answer({ turn: { answer, isRunning, problem, model }, onResults }) {
  const isEmpty = !answer.text && !answer.thinking && !answer.calls.length;
  return html`<li class="turn answered" aria-busy=${isRunning}>
    <span class="hidden-text">Answer:</span>
    ${answer.thinking && html`<details class="thinking">
      <summary>${isRunning && !answer.text ? "Thinking …" : "Reasoning"}</summary>
      <p class="text soft" dir="auto">${clipped(answer.thinking, SHOWN)}</p></details>`}
    ${isEmpty && isRunning && html`<p class="soft">
      <span class="badge info working">Waiting for the first token</span></p>`}
    <${Text} text=${clipped(withoutList(answer), SHOWN)} />
    ${answer.sources.length > 0 && html`<${Sources} sources=${answer.sources} />`}
    ${answer.calls.length > 0 && html`<${Calls} calls=${answer.calls} onResults=${isRunning ? null : onResults} />`}
    ${problem && html`<p class="notice bad" role="alert"><${Icon} name="alert" />${clipped(problem, 1000)}</p>`}
    ${!isRunning && !problem && html`<p class="small faint">${facts(answer, model).join(" · ")}</p>`}
  </li>`;
}

// Removes the list of sources that the bridge appends for clients that show only text; here it has its own place.
function withoutList({ text, sources }) {
  const at = sources.length ? text.lastIndexOf("\n\n**Sources**\n") : -1;
  return at < 0 ? text : text.slice(0, at);
}

function facts({ finish, first, took, usage }, model) {
  const rate = usage && first !== null && took - first > 0.2 ? usage.completion_tokens / (took - first) : null;
  return [
    model,
    finish && finish !== "stop" && `ended by ${finish}`,
    first !== null && `first token ${duration(first)}`,
    took !== null && `took ${duration(took)}`,
    usage && plural(usage.completion_tokens, "token"),
    rate && `${count(Math.round(rate))}/s`,
  ].filter(Boolean);
}

// Splits at fences: even pieces are text, odd ones are code with the language on the first line.
function Text({ text }) {
  return text
    .split(/^```/m)
    .map((piece, index) =>
      index % 2 ? code(piece, index) : piece.trim() && html`<p key=${index} class="text" dir="auto">${piece.trim()}</p>`,
    );
}

function code(piece, index) {
  const end = piece.indexOf("\n");
  return html`<${Code} key=${index} text=${end < 0 ? "" : piece.slice(end + 1).trimEnd()}
    what=${piece.slice(0, Math.max(0, end)).trim() || "code"} />`;
}

function Sources({ sources }) {
  return html`<details class="sources"><summary>${plural(sources.length, "source")}</summary><ol>${sources
    .slice(0, SOURCES)
    .map(
      ({ number, title, url, snippet }) => html`
    <li key=${number} value=${number}>
      <${WebLink} url=${url}>${clipped(title || url, 200)}<//>${snippet && html`<p class="small soft two-lines">${clipped(snippet, 300)}</p>`}</li>`,
    )}</ol></details>`;
}

function Calls({ calls, onResults }) {
  const [results, setResults] = useState({});
  const submit = (event) => {
    event.preventDefault();
    onResults(calls.map((call) => ({ id: call.id, name: call.function.name, text: results[call.id] ?? "" })));
  };
  return html`<form class="stack calls" onSubmit=${submit}>
    ${calls.map(
      (call) => html`<div key=${call.id} class="stack">
      <pre tabindex="0" aria-label=${`Call of ${call.function.name}`}>${clipped(`${call.function.name}(${call.function.arguments})`, 4000)}</pre>
      ${
        onResults &&
        html`<label class="field"><span>Result of ${call.function.name}</span><textarea class="input mono" rows="2"
        onInput=${(event) => setResults({ ...results, [call.id]: event.target.value })}></textarea></label>`
      }</div>`,
    )}
    ${onResults && html`<div><button class="button">Send results</button></div>`}
  </form>`;
}
