// Six charts of the last day.

import { html, useEffect, useMemo, useState } from "../html.js";
import { get } from "../api.js";
import { update, useStore } from "../store.js";
import { count, duration, megabytes } from "../format.js";
import { Chart } from "../components/chart.js";
import { Empty, Segments } from "../components/parts.js";
import { ThisNode } from "../components/this_node.js";

const HOURS = [
  ["1", "1 hour"],
  ["6", "6 hours"],
  ["24", "24 hours"],
];
const GOOD = ["stop", "length", "tool_calls"];
const COLORS = ["--series-3", "--series-4", "--series-5", "--series-6"];
const SCALARS = [
  "waiting",
  "first_token",
  "tokens_per_second",
  "browser_mb",
  "process_mb",
  "browser_cpu",
  "process_cpu",
];
const percent = (value) => `${Math.round(value)} %`;
const rate = (value) => `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}/s`;
const whole = (value) => (Number.isInteger(value) ? count(value) : "");

export function Charts() {
  const [hours, setHours] = useState("24");
  const [metrics, problem] = useMetrics(hours);
  return html`<div class="view">
    <header class="view-head"><h1 tabindex="-1">Charts</h1><span class="grow"><${ThisNode} /></span>
      <${Segments} label="Time" name="hours" options=${HOURS} value=${hours} onChange=${setHours} /></header>
    ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
    ${!metrics && !problem && html`<${Skeleton} />`}
    ${metrics?.times.length === 0 && html`<${None} />`}
    ${metrics?.times.length > 0 && html`<${All} metrics=${metrics} />`}
  </div>`;
}

function Skeleton() {
  const places = [1, 2, 3, 4, 5, 6];
  return html`<div class="charts" aria-busy="true">
    ${places.map((place) => html`<div key=${place} class="card chart skeleton"></div>`)}
  </div>`;
}

function None() {
  return html`<div class="card">
    <${Empty} icon="charts" title="No figures yet">The first ones come within a minute.<//>
  </div>`;
}

function All({ metrics: { times, series } }) {
  const lines = useMemo(() => described(series), [series]);
  return html`<div class="charts">
    <${Chart} title="Waiting for an account" least=${1} times=${times} series=${lines.waiting} show=${duration} />
    <${Chart} title="Time to first token" least=${1} times=${times} series=${lines.first} show=${duration} />
    <${Chart} title="Tokens a second" least=${10} times=${times} series=${lines.rate} show=${rate} />
    <${Chart} title="Chats by result" least=${4} times=${times} series=${lines.chats} show=${whole} isStacked=${true} />
    <${Chart} title="Memory" least=${100} times=${times} series=${lines.memory} show=${megabytes} />
    <${Chart} title="CPU" least=${10} times=${times} series=${lines.cpu} show=${percent} />
  </div>`;
}

function described(series) {
  const one = (label, key, color, isFilled = false) => ({ label, color, values: series[key] ?? [], isFilled });
  return {
    waiting: [one("median", "waiting", "--series-1", true)],
    first: [one("median", "first_token", "--series-1", true)],
    rate: [one("median", "tokens_per_second", "--series-2", true)],
    chats: results(series.chats ?? {}),
    memory: [one("browser", "browser_mb", "--series-1", true), one("bridge", "process_mb", "--series-2")],
    cpu: [one("browser", "browser_cpu", "--series-1", true), one("bridge", "process_cpu", "--series-2")],
  };
}

// Returns the stacked series: answered chats below, then the most frequent failures, then all others as one.
function results(chats) {
  const good = Object.keys(chats).filter((name) => GOOD.includes(name));
  const bad = Object.keys(chats)
    .filter((name) => !GOOD.includes(name))
    .sort((one, other) => sum(chats[other]) - sum(chats[one]));
  const some = bad.slice(0, COLORS.length - 1);
  const rest = bad.slice(COLORS.length - 1);
  const made = [{ label: "answered", color: "--series-2", values: added(good.map((name) => chats[name])) }];
  some.forEach((name, index) => made.push({ label: name, color: COLORS[index], values: chats[name] }));
  if (rest.length) made.push({ label: "others", color: COLORS.at(-1), values: added(rest.map((name) => chats[name])) });
  return made.filter(({ values }, index) => index === 0 || values.length);
}

const sum = (values) => values.reduce((all, value) => all + (value ?? 0), 0);
const added = (lists) => (lists[0] ?? []).map((_, index) => lists.reduce((all, list) => all + (list[index] ?? 0), 0));

// Loads the figures from the bridge, and appends the samples from the event stream.
function useMetrics(hours) {
  const [metrics, setMetrics] = useState(null);
  const [problem, setProblem] = useState("");
  const samples = useStore((state) => state.samples);
  const live = useStore((state) => state.connection.state);
  const minute = useStore((state) => state.minute); // the last one is complete when the next one begins
  useEffect(() => {
    if (live === "lost") return undefined;
    const stopped = new AbortController();
    const asked = { signal: stopped.signal };
    get(`metrics?hours=${hours}`, asked).then(
      (found) => {
        setProblem("");
        setMetrics(begun(found));
        update({ samples: [] }); // the loaded figures include them
      },
      (error) => error.name !== "AbortError" && setProblem(error.message),
    );
    return () => stopped.abort();
  }, [hours, live, minute]);
  return [
    useMemo(() => metrics && extended(metrics, samples), [metrics, samples]),
    problem,
  ];
}

// Leaves out the time before the start of the bridge, which would be most of the chart on its first day.
function begun({ times, series }) {
  const at = times.findIndex((_, index) => SCALARS.some((key) => series[key]?.[index] != null));
  const rest = (values) => values.slice(at < 0 ? times.length : at);
  const cut = (named) => Object.fromEntries(Object.entries(named).map(([name, values]) => [name, rest(values)]));
  const { chats = {}, ...scalars } = series;
  return { times: rest(times), series: { ...cut(scalars), chats: cut(chats) } };
}

// A sample has the figures of its minute so far, so only the last one of each minute is used.
function extended(metrics, samples) {
  const { times, series } = metrics;
  const last = times.at(-1) ?? 0;
  const newest = [
    ...new Map(samples.filter((sample) => sample.time >= last).map((sample) => [sample.time, sample.series])).entries(),
  ];
  if (!newest.length) return metrics;
  const before = newest[0][0] === last ? times.slice(0, -1) : times;
  const length = before.length;
  const grown = Object.fromEntries(
    SCALARS.map((key) => [
      key,
      [...(series[key] ?? []).slice(0, length), ...newest.map(([, values]) => values[key] ?? null)],
    ]),
  );
  return {
    times: [...before, ...newest.map(([time]) => time)],
    series: { ...grown, chats: grownChats(series.chats ?? {}, length, newest) },
  };
}

function grownChats(chats, length, newest) {
  const names = new Set([...Object.keys(chats), ...newest.flatMap(([, values]) => Object.keys(values.chats ?? {}))]);
  const before = (name) => (chats[name] ?? new Array(length).fill(null)).slice(0, length);
  return Object.fromEntries(
    [...names].map((name) => [name, [...before(name), ...newest.map(([, values]) => values.chats?.[name] ?? null)]]),
  );
}
