// The bridge's time, which may differ from this machine's, and a tick every second for countdowns.

import { useEffect, useState } from "./html.js";

let ahead = 0; // milliseconds by which the bridge's clock is ahead of this machine's
const tickers = new Set();

export function setClock(date) {
  const theirs = Date.parse(date ?? "");
  // The header has whole seconds, so smaller differences are ignored.
  if (!Number.isNaN(theirs)) ahead = Math.abs(theirs - Date.now()) > 1500 ? theirs - Date.now() : 0;
}

export function now() {
  return Date.now() + ahead;
}

export function useNow() {
  const [time, setTime] = useState(now());
  useEffect(() => {
    const tick = () => setTime(now());
    tickers.add(tick);
    return () => tickers.delete(tick);
  }, []);
  return time;
}

setInterval(() => {
  if (document.visibilityState === "visible") for (const tick of [...tickers]) tick();
}, 1000);
