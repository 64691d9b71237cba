// Short notices in the corner; their container is always there.

import { h } from "./dom.js";

const SHOWN_MS = 4000;

export const notices = h("div.ds-notification-container.ds-theme.ds-notification-container--top-right");

export function toast(text, kind = "error") {
  const notice = h(
    `div.ds-notification.ds-notification--${kind}`,
    { role: "alert" },
    h("div.ds-notification__content", {}, text),
  );
  notices.append(notice);
  setTimeout(() => notice.remove(), SHOWN_MS);
}
