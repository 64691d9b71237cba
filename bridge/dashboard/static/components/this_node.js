// In a cluster, names the one node that a view is about.

import { html } from "../html.js";
import { useStore } from "../store.js";

export function ThisNode() {
  const node = useStore((state) => state.cluster?.node);
  return node ? html`<span class="small soft">of the node ${node}</span>` : null;
}
