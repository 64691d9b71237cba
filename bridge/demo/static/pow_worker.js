// Solves challenges beside the page, so that it stays responsive.

import { solve } from "./deepseek_hash.js";

onmessage = ({ data: challenge }) => postMessage(solve(challenge));
