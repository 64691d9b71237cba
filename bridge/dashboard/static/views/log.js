// The live log, the drift of the sites, and the versions in use.

import { html, memo, useEffect, useLayoutEffect, useRef, useState } from "../html.js";
import { get } from "../api.js";
import { LOG_LINES, takeState, useStore } from "../store.js";
import { clipped, clock, count } from "../format.js";
import { Ago, Empty, Search, Segments, Switch } from "../components/parts.js";
import { ThisNode } from "../components/this_node.js";

const LEVELS = [
  ["DEBUG", "All"],
  ["INFO", "Info"],
  ["WARNING", "Warnings"],
  ["ERROR", "Errors"],
];
const RANK = { TRACE: 0, DEBUG: 1, INFO: 2, SUCCESS: 2, WARNING: 3, ERROR: 4, CRITICAL: 5 };
const LINE = 4000;

export function Log() {
  const [level, setLevel] = useState("DEBUG");
  const [words, setWords] = useState("");
  const [isFollowing, setFollowing] = useState(true);
  const live = useStore((state) => state.connection.state);
  useEffect(() => {
    if (live !== "live") return;
    get(`log?limit=${LOG_LINES}`).then(takeState, () => {}); // the stream begins with only the last lines
  }, [live]);
  return html`<div class="view">
    <header class="view-head"><h1 tabindex="-1">Log</h1><span class="grow"><${ThisNode} /></span><${Version} /></header>
    <div class="filters">
      <${Segments} label="Level" name="level" options=${LEVELS} value=${level} onChange=${setLevel} />
      <${Search} label="Search the log" value=${words} onChange=${setWords} />
      <${Switch} label="Follow" checked=${isFollowing} onChange=${setFollowing} /></div>
    <${Lines} level=${level} words=${words} isFollowing=${isFollowing} setFollowing=${setFollowing} />
    <${Drift} />
  </div>`;
}

function Version() {
  const bridge = useStore((state) => state.bridge);
  const browser = useStore((state) => state.browser);
  if (!bridge) return null;
  const chromium = browser?.version ? `Chromium ${browser.version}` : "Chromium not running";
  const sandbox = browser?.sandbox === false ? ", without its sandbox" : "";
  return html`<p class="small soft">
    Bridge ${bridge.version}, ${chromium}${sandbox}; started <${Ago} at=${bridge.started} /></p>`;
}

function Lines({ level, words, isFollowing, setFollowing }) {
  const log = useStore((state) => state.log);
  const box = useRef(null);
  const sought = words.trim().toLowerCase();
  const shown = log.filter(
    (line) => (RANK[line.level] ?? 2) >= RANK[level] && line.text.toLowerCase().includes(sought),
  );
  useLayoutEffect(() => {
    if (isFollowing) box.current.scrollTop = box.current.scrollHeight;
  }, [shown.at(-1), shown.length, isFollowing]);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 24;
    if (isAtEnd !== isFollowing) setFollowing(isAtEnd);
  };
  return html`<div ref=${box} class="card log" role="log" aria-live="off" aria-label="Log lines" tabindex="0"
    onWheel=${() => setTimeout(onScroll, 50)} onTouchEnd=${onScroll} onKeyUp=${onScroll}>
    ${shown.length === 0 && html`<${None} isAny=${log.length > 0} />`}
    ${shown.map((line) => html`<${Line} key=${keyOf(line)} line=${line} />`)}
  </div>`;
}

function None({ isAny }) {
  if (isAny) return html`<${Empty} icon="log" title="No line matches">Choose a lower level, or change the search.<//>`;
  return html`<${Empty} icon="log" title="No line yet">Log lines of the bridge appear here.<//>`;
}

// Lines have no id, so each object gets one, which stays the same when the list is filtered.
const ids = new WeakMap();
let lastId = 0;

function keyOf(line) {
  if (!ids.has(line)) ids.set(line, (lastId += 1));
  return ids.get(line);
}

const Line = memo(function Line({ line: { at, level, text } }) {
  return html`<div class=${`log-line ${level.toLowerCase()}`}><time class="faint" datetime=${at}>${clock(at)}</time>
    <span class="log-level">${level}</span><span class="log-text">${clipped(text, LINE)}</span></div>`;
});

function Drift() {
  const drift = useStore((state) => state.drift);
  return html`<section class="card" aria-labelledby="drift">
    <header class="card-head"><h2 id="drift">Drift</h2>
      <span class="small soft">data and controls of sites that their drivers do not recognize</span></header>
    ${
      drift.length === 0
        ? html`<p class="quiet-line soft">None seen since the start.</p>`
        : html`<div class="scroller" tabindex="0" role="region" aria-label="Drift, as a table">
          <table class="table">
      <thead><tr><th scope="col">Site</th><th scope="col">Shape</th><th scope="col">Times</th>
        <th scope="col">Last</th></tr></thead>
      <tbody>${drift.map(({ site, shape, count: times, at }) => html`<tr key=${`${site} ${shape}`}><td>${site}</td>
        <td class="mono long">${clipped(shape, 300)}</td><td>${count(times)}</td><td><${Ago} at=${at} /></td></tr>`)}</tbody>
    </table></div>`
    }
  </section>`;
}
