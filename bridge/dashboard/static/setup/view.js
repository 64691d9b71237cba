// Setup: client configuration, keys and their usage, the doctor's findings, the settings in effect.

import { html } from "../html.js";
import { Clients } from "./clients.js";
import { Doctor } from "./doctor.js";
import { Keys } from "./keys.js";
import { Settings } from "./settings.js";
import { Usage } from "./usage.js";

const PARTS = {
  connect: ["Connect", Clients],
  keys: ["Keys", Keys],
  usage: ["Usage", Usage],
  doctor: ["Doctor", Doctor],
  settings: ["Settings", Settings],
};

export function Setup({ part = "connect" }) {
  const [, Shown] = PARTS[part] ?? PARTS.connect;
  return html`<div class="view">
    <header class="view-head"><h1 tabindex="-1">Setup</h1></header>
    <nav class="tabs" aria-label="Setup">${Object.entries(PARTS).map(
      ([key, [label]]) => html`
      <a key=${key} href=${`#setup/${key}`} aria-current=${key === part ? "page" : undefined}>${label}</a>`,
    )}</nav>
    <${Shown} />
  </div>`;
}
