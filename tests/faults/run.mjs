// node ../node-tests.mjs run.mjs [--short] [PART OF A CHECK'S NAME]

import { perform } from "./check.mjs";

import "./checks/balancers.mjs";
import "./checks/cuts.mjs";
import "./checks/drain.mjs";
import "./checks/proxy_protocol.mjs";
import "./checks/resets.mjs";
import "./checks/talk.mjs";

const words = process.argv.slice(2).filter((word) => word !== "--short");
await perform(process.argv.includes("--short"), words[0]);
// When nothing is left to do, Node 20 may take for ever to close its handles after connections from an address of their
// own. This ends before it does so.
process.on("exit", () => process.exit());
