// The playground: sends requests as a client does, and shows the code for them.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../html.js";
import { send } from "../api.js";
import { useStore } from "../store.js";
import { Empty } from "../components/parts.js";
import { attempt } from "../components/toasts.js";
import { MODELS, ask, bodyOf, historyOf, nothing, userMessage } from "./ask.js";
import { Composer } from "./composer.js";
import { Options, TOOLS, parsedTools } from "./options.js";
import { CodeFor } from "./code.js";
import { Turn } from "./turn.js";
import { isAvailable } from "../views/account_state.js";

const PACE = 60; // milliseconds
const START = { model: "", stream: true, think: false, search: false, hasTools: false, tools: TOOLS };

// The chat is kept while the operator looks at another view. A new chat is a new object, so that an answer that is still
// arriving can tell that its chat is gone.
const fresh = (options = START, last = null) => ({ turns: [], messages: [], options, last });
let kept = fresh();

// Clears the chat, because somebody else may sign in next.
export function forget() {
  kept = fresh();
}

export function Playground() {
  const [options, setOptions] = useKept("options");
  const [turns, setTurns] = useKept("turns");
  const [last, setLast] = useKept("last");
  const models = useModels(setOptions);
  const running = useRef(null);
  useEffect(() => () => running.current?.abort(), []);

  const run = async (added, shown) => {
    const tools = options.hasTools ? parsedTools(options.tools) : null;
    const body = bodyOf([...kept.messages, ...added], { ...options, tools });
    const before = [...kept.turns, ...shown];
    const showTurn = (more) =>
      setTurns([...before, { role: "assistant", model: body.model, answer: nothing(), isRunning: true, ...more }]);
    setLast(body);
    showTurn({});
    running.current = new AbortController();
    await answered(body, running.current.signal, showTurn);
  };
  const onAsk = (text, files) =>
    attempt(async () => {
      const message = await userMessage(text, files);
      await run([message], [{ role: "user", text, files: files.map((file) => file.name) }]);
    });
  const onResults = (results) =>
    attempt(() =>
      run(
        results.map(({ id, text }) => ({ role: "tool", tool_call_id: id, content: text })),
        results.map(({ name, text }) => ({ role: "tool", name, text })),
      ),
    );
  const isRunning = turns.at(-1)?.isRunning ?? false;
  const clear = () => {
    running.current?.abort();
    kept = fresh(options, last);
    setTurns([]);
  };
  return html`<div class="view playground">
    <header class="view-head"><h1 tabindex="-1">Playground</h1>
      <button class="button" disabled=${!turns.length} onClick=${clear}>New chat</button></header>
    <div class="playground-grid">
      <section class="card talk" aria-label="Chat">
        <${Turns} turns=${turns} onResults=${onResults} />
        <${Composer} isRunning=${isRunning} isReady=${Boolean(options.model)} onAsk=${onAsk}
          onStop=${() => running.current?.abort()} />
      </section>
      <aside class="stack">
        <${Options} options=${options} setOptions=${setOptions} models=${models} />
        <${CodeFor} body=${last ?? example(options)} isAsked=${Boolean(last)} />
      </aside>
    </div></div>`;
}

// Sends the request, redraws the answer a few times a second, and adds it to the history if it ends well or is stopped.
async function answered(body, signal, showTurn) {
  const chat = kept;
  let answer = nothing();
  let timer = null;
  const draw = () => {
    timer = null;
    if (kept === chat) showTurn({ answer });
  };
  const show = (now) => {
    answer = now;
    timer ??= setTimeout(draw, PACE);
  };
  const end = (more) => {
    clearTimeout(timer);
    if (kept === chat) showTurn({ answer, isRunning: false, ...more });
  };
  try {
    answer = await ask(body, signal, show);
    chat.messages = [...body.messages, historyOf(answer)];
    end({});
  } catch (error) {
    if (error.name !== "AbortError") return end({ problem: error.message });
    answer = { ...answer, finish: "you" };
    chat.messages = [...body.messages, historyOf({ ...answer, calls: [] })];
    end({});
  }
  return undefined;
}

// Returns the request that is shown as code before the first question.
function example(options) {
  const model = options.model || "deepseek-chat";
  return bodyOf([{ role: "user", content: "Why is the sky blue?" }], { ...options, model, tools: null });
}

function Turns({ turns, onResults }) {
  const list = useRef(null);
  useLayoutEffect(() => {
    const { scrollHeight, scrollTop, clientHeight } = list.current;
    if (scrollHeight - scrollTop - clientHeight < 200) list.current.scrollTop = scrollHeight;
  }, [turns]);
  return html`<div ref=${list} class="turns" tabindex="0" role="region" aria-label="Conversation">
    ${
      !turns.length &&
      html`<${Empty} icon="playground" title="Ask something">
        The question goes through one of your accounts, as a client's would. The code beside it does the same.<//>`
    }
    <ul>${turns.map((turn, index) => html`<${Turn} key=${index} turn=${turn}
      onResults=${index === turns.length - 1 ? onResults : null} />`)}</ul>
  </div>`;
}

function useKept(name) {
  const [value, setValue] = useState(kept[name]);
  return [
    value,
    (given) => {
      kept[name] = given;
      setValue(given);
    },
  ];
}

// Loads the available models, again whenever the number of available accounts changes.
function useModels(setOptions) {
  const [models, setModels] = useState([]);
  const serving = useStore((state) => (state.accounts ?? []).filter(isAvailable).length);
  useEffect(() => {
    send("GET", MODELS)
      .then((response) => response.json())
      .then(
        ({ data }) => {
          const names = data.map(({ id }) => id);
          setModels(names);
          const { model } = kept.options;
          if (!names.includes(model))
            setOptions({
              ...kept.options,
              model: names.includes("deepseek-chat") ? "deepseek-chat" : (names[0] ?? ""),
            });
        },
        () => setModels([]),
      );
  }, [serving]);
  return models;
}
