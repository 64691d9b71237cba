// Small line drawings, always beside a text that says the same.

import { html } from "../html.js";

const PATHS = {
  accounts: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6M2.5 14c.4-3 2.6-4.5 5.5-4.5s5.1 1.5 5.5 4.5",
  chats: "M3 3h10a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H7l-3.5 3V11H3a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1",
  charts: "M2 14h12M4 11V8M8 11V3M12 11V6",
  playground: "M5 3l8 5-8 5z",
  setup: "M2 4.5h7M13 4.5h1M2 11.5h1M7 11.5h7M11 3v3M5 10v3",
  log: "M3 3h10M3 6.5h10M3 10h7M3 13.5h4",
  nodes: "M2.5 2h11v4.5h-11zM2.5 9.5h11V14h-11zM5 4.25h.01M5 11.75h.01",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.5 3.5L13 4.5",
  alert: "M8 5v4M8 11.5h.01M8 1.8l6.5 12H1.5z",
  info: "M8 7.5V11M8 5h.01M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13",
  copy: "M6 6h7.5v8H6zM10 6V2H2.5v8H6",
  down: "M4 6l4 4 4-4",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8M8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4",
  key: "M10 9.5a3.5 3.5 0 1 0-3.3-2.3L2 12v2h2.5v-1.5H6V11l1.3-1.3c.8.3 1.7-.2 2.7-.2M11 5h.01",
  refresh: "M13.5 8A5.5 5.5 0 1 1 12 4.2L13.5 5.5M13.5 2v3.5H10",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M5 3l8 5-8 5z",
  page: "M4 1.5h5l3.5 3.5v9.5H4zM9 1.5V5h3.5",
  save: "M8 2v8M4.5 7L8 10.5 11.5 7M2.5 13.5h11",
  pen: "M10.5 2.5l3 3L5 14l-3.5.5L2 11z",
  bin: "M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4",
  stop: "M4 4h8v8H4z",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7",
  screen: "M2 3h12v8H2zM6 14h4M8 11v3",
  out: "M6 2.5H3v11h3M7 8h7M11 5l3 3-3 3",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9M10.5 10.5L14 14",
  clip: "M13 7.5l-5.5 5.5a3.2 3.2 0 0 1-4.5-4.5l6-6a2.2 2.2 0 0 1 3 3l-5.5 5.5a1 1 0 0 1-1.5-1.5L10 4.5",
  send: "M14 2L7 9M14 2L9.5 14 7 9 2 6.5z",
};

export function Icon({ name, size = 16 }) {
  return html`<svg width=${size} height=${size} viewBox="0 0 16 16" fill="none" stroke="currentColor"
    stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d=${PATHS[name]} /></svg>`;
}

export function Logo({ size = 24 }) {
  return html`<svg class="logo" width=${size} height=${size} viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" /><path d="M5 21h22M9 21v-3a7 7 0 0 1 14 0v3M9 21v4M23 21v4M16 11v10" /></svg>`;
}
