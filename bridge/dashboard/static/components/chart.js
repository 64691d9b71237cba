// A time chart that uPlot draws, with its figures as text and, on demand, as a table.

import { html, useEffect, useId, useRef, useState } from "../html.js";
import { clock } from "../format.js";
import uPlot from "../vendor/uplot.js";

const HEIGHT = 214;
const MOST_ROWS = 24;
const SHORTEST = 600; // least seconds that a chart shows
const MARGIN = 30; // seconds after the last point, which may be a bar

// `series` are {label, color, values, isFilled}, where `color` is the name of a custom property; `show` formats a value,
// and `least` is the smallest value for the top of the chart.
export function Chart({ title, times, series, show, least, isStacked = false }) {
  const id = useId();
  const [isTable, setTable] = useState(false);
  return html`<figure class="card chart" aria-labelledby=${id}>
    <figcaption class="card-head"><h2 id=${id}>${title}</h2>
      <button class="button quiet small" aria-pressed=${isTable}
        onClick=${() => setTable(!isTable)}>${isTable ? "Chart" : "Table"}<span class="hidden-text"> of ${title}</span></button></figcaption>
    <${Summary} series=${series} show=${show} isSum=${isStacked} />
    ${
      isTable
        ? html`<${Table} title=${title} times=${times} series=${series} show=${show} isSum=${isStacked} />`
        : html`<${Plot} ...${{ title, times, series, show, least, isStacked }} />`
    }
  </figure>`;
}

// The legend, with a summary of each series.
function Summary({ series, show, isSum }) {
  return html`<ul class="legend small">${series.map(
    ({ label, color, values }) => html`<li key=${label}>
    <span class="dot" style=${{ background: `var(${color})` }}></span>
      <span class="soft">${label}</span> ${told(values, show, isSum)}</li>`,
  )}</ul>`;
}

function told(values, show, isSum) {
  const known = values.filter((value) => value != null);
  if (!known.length) return "nothing yet";
  if (isSum) return show(known.reduce((sum, value) => sum + value, 0));
  return `${show(median(known))} (up to ${show(known.reduce((most, value) => Math.max(most, value)))})`;
}

function median(known) {
  const sorted = [...known].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

// The figures in at most `MOST_ROWS` rows of equal time spans.
function Table({ title, times, series, show, isSum }) {
  const step = Math.max(1, Math.ceil(times.length / MOST_ROWS));
  const rows = [];
  for (let start = 0; start < times.length; start += step) rows.unshift(start);
  return html`<div class="chart-table" tabindex="0" role="region" aria-label=${`${title}, table`}><table class="small">
    <thead><tr><th scope="col">From</th>${series.map(({ label }) => html`<th
      key=${label} scope="col">${label}</th>`)}</tr></thead>
    <tbody>${rows.map(
      (start) => html`<tr key=${start}><th scope="row">${clock(new Date(times[start] * 1000).toISOString())}</th>
      ${series.map(({ label, values }) => html`<td
        key=${label}>${told(values.slice(start, start + step), show, isSum)}</td>`)}</tr>`,
    )}</tbody>
  </table></div>`;
}

function Plot({ title, times, series, show, least, isStacked }) {
  const holder = useRef(null);
  const plot = useRef(null);
  const latest = useRef(series);
  latest.current = series;
  const [theme, setTheme] = useState(0);
  const shape = series.map(({ label }) => label).join("\n");
  useEffect(() => {
    const made = new uPlot(
      options(holder.current, latest, { show, least, isStacked }),
      data(times, series, isStacked),
      holder.current,
    );
    plot.current = made;
    const resize = new ResizeObserver(([entry]) =>
      made.setSize({ width: Math.max(100, Math.floor(entry.contentRect.width)), height: HEIGHT }),
    );
    resize.observe(holder.current);
    const stop = onTheme(() => setTheme((before) => before + 1));
    return () => {
      stop();
      resize.disconnect();
      made.destroy();
    };
  }, [shape, theme]);
  useEffect(() => plot.current.setData(data(times, series, isStacked)), [times, series]);
  const said = series.map(({ label, values }) => `${label}: ${told(values, show, isStacked)}`).join("; ");
  return html`<div ref=${holder} class="plot" role="img" aria-label=${`${title}. ${said}. The table has the figures.`}>
    </div>`;
}

// Calls `redraw` when the theme changes, by the system or by the switch; returns a function that ends that.
function onTheme(redraw) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const watcher = new MutationObserver(redraw);
  watcher.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  system.addEventListener("change", redraw);
  return () => {
    watcher.disconnect();
    system.removeEventListener("change", redraw);
  };
}

// Each stacked series includes those before it, so the last one is drawn first, behind the others.
function data(times, series, isStacked) {
  if (!isStacked) return [times, ...series.map(({ values }) => values)];
  const below = new Array(times.length).fill(0);
  const stacked = series.map(({ values }) => values.map((value, index) => (below[index] += value ?? 0)));
  return [times, ...stacked.reverse()];
}

// Returns the current colour of a custom property, read from an element because a canvas knows no custom properties.
function colour(element, name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// `latest.current` are the current series, which grow while the chart stays.
function options(element, latest, { show, least, isStacked }) {
  const pick = (name) => colour(element, name);
  const axis = {
    stroke: pick("--soft"),
    grid: { stroke: pick("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  const drawn = isStacked ? [...latest.current].reverse() : latest.current;
  return {
    width: Math.max(100, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: "charts" }, points: { size: 6 }, drag: { x: false, y: false } },
    scales: {
      x: { range: ({ data: [all] }) => [Math.min(all[0], all.at(-1) - SHORTEST), all.at(-1) + MARGIN] },
      y: { range: (_, low, high) => [0, Math.max((high ?? 0) * 1.1, least)] },
    },
    axes: [
      { ...axis, size: 32, space: 76, values: hours },
      { ...axis, size: 58, space: 36, values: (_, splits) => splits.map(show) },
    ],
    series: [
      {},
      ...drawn.map(({ label, color, isFilled }) => line(label, pick(color), isStacked || isFilled, isStacked)),
    ],
    plugins: [tip(latest, show)],
  };
}

function line(label, stroke, isFilled, isStacked) {
  const steps = isStacked ? { paths: uPlot.paths.bars({ size: [1, 16] }), width: 0, fill: stroke } : {};
  const fill = isFilled ? { fill: stroke.replace(/^rgb\((.*)\)$/, "rgba($1, 0.12)") } : {};
  const points = { show: !isStacked, size: 4, fill: stroke, filter: alone };
  return { label, stroke, width: 1.5, points, spanGaps: false, ...fill, ...steps };
}

// Returns the indexes of values without neighbours, which a line would not show.
function alone(plot, index) {
  const values = plot.data[index];
  return values.flatMap((value, at) => (value != null && values[at - 1] == null && values[at + 1] == null ? [at] : []));
}

function hours(_, splits) {
  const format = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  return splits.map((second) => format.format(new Date(second * 1000)));
}

// A plugin that shows the values under the pointer.
function tip(latest, show) {
  const box = document.createElement("div");
  box.className = "chart-tip small";
  box.hidden = true;
  const move = (plot) => {
    const { idx, left } = plot.cursor;
    box.hidden = idx == null || left < 0;
    if (box.hidden) return;
    const values = latest.current.map(({ label, values: all }) => `${label} ${all[idx] == null ? "–" : show(all[idx])}`);
    box.textContent = [clock(new Date(plot.data[0][idx] * 1000).toISOString()), ...values].join(" · ");
  };
  return { hooks: { init: (plot) => plot.over.append(box), setCursor: move } };
}
