// The actions on an account; each shows a notice with its result.

import { BASE, download, named, post, remove } from "../api.js";
import { attempt } from "../components/toasts.js";
import { confirm, show } from "../components/dialogs.js";
import { Rename } from "./rename.js";
import { needsYou } from "./account_state.js";

export function liveUrl(query) {
  return new URL(`dashboard/live?${new URLSearchParams(query)}`, BASE).href;
}

const act = (name, action, done, doing) => attempt(() => post(named("accounts", name, `/${action}`)), done, doing);

export const check = ({ name }) => act(name, "check", `Checked ${name}.`, `Checking ${name} …`);
export const pause = ({ name }) => act(name, "pause", `${name} takes no new chats.`, `Pausing ${name} …`);
export const resumeAccount = ({ name }) => act(name, "resume", `${name} takes chats again.`, `Resuming ${name} …`);
export const wake = ({ name }) => act(name, "wake", `Opened ${name}.`, `Opening ${name} …`);
export const putToSleep = ({ name }) => act(name, "sleep", `${name} sleeps until a chat needs it.`, `Closing ${name} …`);
export const reopen = ({ name }) => act(name, "reopen", `${name} was reopened from its stored login.`, `Reopening ${name} …`);
export const renew = ({ name }) => act(name, "renew", `${name} has a new page.`, `Opening a new page for ${name} …`);

export const bundle = ({ name }) =>
  attempt(
    async () => void (await download("POST", named("accounts", name, "/bundle"), `${name}.zip`)),
    `Saved a diagnostic bundle of ${name}.`,
    `Collecting a diagnostic bundle of ${name} …`,
  );

export const cancelChat = (id) => attempt(() => remove(named("chats", id)), "The chat has been cancelled.");

// Signs in again: opens the site's sign-in page in the live view; the captured login replaces the old one.
export async function logIn({ name, site, url }) {
  const begin = () => post("logins", { name, site, ...(url && { url }) });
  const login = await attempt(begin, "", "Opening the sign-in page …");
  if (login?.id) location.assign(liveUrl({ login: login.id }));
}

export async function rename(account) {
  await show(Rename, { account });
}

export async function removeAccount({ name, held, chat }) {
  const title = `Remove ${name}?`;
  const now = held ? " A person is using its page now." : chat ? " Its chat is ended." : "";
  const text = `Its page is closed, and its stored login is deleted from this machine.${now} Nothing changes on the site.`;
  if (await confirm({ title, text, action: "Remove" })) {
    await attempt(() => remove(named("accounts", name)), `${name} has been removed.`, `Removing ${name} …`);
  }
}

// Returns the most useful action for the account's state.
export function mainAction(account) {
  if (account.state === "challenged")
    return { label: "Open page", href: liveUrl({ account: account.name }), strong: true };
  if (needsYou(account)) return { label: "Log in", run: () => logIn(account), strong: true };
  if (account.paused) return { label: "Resume", run: () => resumeAccount(account) };
  if (account.state === "asleep") return { label: "Wake", run: () => wake(account) };
  if (account.state === "ready" || account.state === "starting")
    return { label: "Live view", href: liveUrl({ account: account.name }) };
  return { label: "Look again", run: () => check(account) };
}

export function menuOf(account) {
  return [
    { label: "Open live view", icon: "eye", href: liveUrl({ account: account.name }) },
    { label: "Log in", icon: "key", run: () => logIn(account) },
    ...(account.chat ? [{ label: "Cancel its chat", icon: "stop", run: () => cancelChat(account.chat.id) }] : []),
    null,
    { label: "Look again now", icon: "refresh", run: () => check(account) },
    account.paused
      ? { label: "Resume", icon: "play", run: () => resumeAccount(account) }
      : { label: "Pause", icon: "pause", run: () => pause(account) },
    ...(account.state === "ready" ? [{ label: "Put to sleep", icon: "moon", run: () => putToSleep(account) }] : []),
    ...(account.state === "asleep" ? [{ label: "Wake", icon: "play", run: () => wake(account) }] : []),
    { label: "New page", icon: "page", run: () => renew(account) },
    { label: "Reopen", icon: "out", run: () => reopen(account) },
    { label: "Download bundle", icon: "save", run: () => bundle(account) },
    null,
    // In a cluster accounts cannot be renamed: the nodes identify them by name.
    ...(account.node ? [] : [{ label: "Rename …", icon: "pen", run: () => rename(account) }]),
    { label: "Remove …", icon: "bin", danger: true, run: () => removeAccount(account) },
  ];
}
