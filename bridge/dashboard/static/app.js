// The dashboard: signs in, follows the bridge, and shows one of the views.

import { html, render, useEffect, useLayoutEffect, useState } from "./html.js";
import { resume, signIn } from "./api.js";
import { Dialogs } from "./components/dialogs.js";
import { Toasts } from "./components/toasts.js";
import { follow, unfollow } from "./events.js";
import { update, useStore } from "./store.js";
import { SignIn, takeLink, target } from "./sign_in.js";
import { Shell } from "./shell.js";
import { Accounts } from "./views/accounts.js";
import { Charts } from "./views/charts.js";
import { Chats } from "./views/chats.js";
import { Log } from "./views/log.js";
import { Nodes } from "./views/nodes.js";
import { Playground, forget } from "./playground/view.js";
import { Setup } from "./setup/view.js";

const VIEWS = {
  accounts: Accounts,
  nodes: Nodes,
  chats: Chats,
  charts: Charts,
  playground: Playground,
  setup: Setup,
  log: Log,
};
const TITLES = {
  accounts: "Accounts",
  nodes: "Nodes",
  chats: "Chats",
  charts: "Charts",
  playground: "Playground",
  setup: "Setup",
  log: "Log",
};

function App({ problem }) {
  const ended = useStore((state) => state.ended);
  const session = useStore((state) => state.session);
  useEffect(() => {
    if (session === "open") follow();
    else unfollow();
    if (session === "none") {
      forget();
      update({
        dialog: null,
        bridge: null,
        accounts: null,
        cluster: null,
        recent: [],
        log: [],
        samples: [],
        running: [],
        queue: [],
        drift: [],
        keys: null,
        doctor: undefined,
      });
    }
  }, [session]);
  return html`${session === "open" && html`<${Main} />`}
    ${session === "none" && html`<${SignIn} problem=${ended ?? problem} onSignedIn=${arrive} />`}
    <${Dialogs} /><${Toasts} />`;
}

function Main() {
  const [view, part] = useRoute();
  const Shown = VIEWS[view];
  useLayoutEffect(() => {
    document.title = `${TITLES[view]} · Bridge`;
  }, [view]);
  return html`<${Shell} view=${view}><${Shown} key=${view} part=${part} /><//>`;
}

// The fragment selects the view; a change of view puts the focus on its heading.
function useRoute() {
  const [route, setRoute] = useState(parsed());
  useEffect(() => {
    const onChange = () => setRoute(parsed());
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  const [isFirst, setFirst] = useState(true);
  useEffect(() => {
    if (!isFirst) document.querySelector("main h1")?.focus({ preventScroll: true });
    if (!isFirst) scrollTo(0, 0);
    setFirst(false);
  }, [route[0]]);
  return route;
}

function parsed() {
  const [view, part] = location.hash.slice(1).split("/");
  return [view in VIEWS ? view : "accounts", part];
}

// Goes to the page for which the user had to sign in first.
function arrive() {
  const to = target(new URLSearchParams(location.search).get("to"));
  if (to) location.replace(to);
}

async function start() {
  const link = takeLink();
  let problem = "";
  try {
    if (link) {
      await signIn({ token: link.token });
      const to = target(link.to);
      if (to) return location.replace(to);
    } else {
      await resume();
    }
  } catch (error) {
    problem = error.message;
    if (!(await resume().catch(() => false))) update({ session: "none" });
  }
  return render(html`<${App} problem=${problem} />`, document.getElementById("app"));
}

start();
