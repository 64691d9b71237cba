// Says that a view tells of one node of the cluster alone; without a cluster it says nothing.

import { html } from "../html.js";
import { useStore } from "../store.js";

export function ThisNode() {
  const node = useStore((state) => state.cluster?.node);
  return node ? html`<span class="small soft">of the node ${node}</span>` : null;
}
