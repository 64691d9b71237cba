// Labels and urgency of an account's states, and the groups of the account list.

const STATES = {
  starting: ["Starting", "info"],
  ready: ["Ready", "ok"],
  asleep: ["Asleep", ""],
  resting: ["Resting", "warn"],
  muted: ["Muted", "warn"],
  logged_out: ["Logged out", "bad"],
  challenged: ["Needs a person", "bad"],
  broken: ["Broken", "bad"],
};
export const STEPS = { waiting: "Waiting", sending: "Sending", thinking: "Thinking", writing: "Writing" };

export const needsYou = (account) => account.state === "logged_out" || account.state === "challenged";

// A sleeping account counts as available, because the chat that needs it opens it.
export const isAvailable = (account) => account.state === "ready" || account.state === "asleep";

export function stateOf(account) {
  const [label, kind] = STATES[account.state] ?? [account.state, "info"];
  return { label, kind, isWorking: account.state === "starting" };
}

// The filters of a long list.
export const GROUPS = [
  ["all", "All", () => true],
  ["ready", "Ready", (account) => isAvailable(account) && !account.paused],
  ["you", "Needs you", needsYou],
  ["off", "Not available", (account) => !isAvailable(account) && !needsYou(account)],
  ["paused", "Paused", (account) => account.paused],
];

export function matches(account, group, words) {
  const [, , isIn] = GROUPS.find(([key]) => key === group);
  const text = `${account.name} ${account.site} ${account.state} ${account.node ?? ""} ${account.reason ?? ""}`.toLowerCase();
  return isIn(account) && text.includes(words.trim().toLowerCase());
}
