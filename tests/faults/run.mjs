// node --test-reporter=../interop/js/reporter.mjs run.mjs [--short] [PART OF A CHECK'S NAME]

import { perform } from "./check.mjs";

import "./checks/balancers.mjs";
import "./checks/cuts.mjs";
import "./checks/drain.mjs";
import "./checks/resets.mjs";
import "./checks/talk.mjs";

const words = process.argv.slice(2).filter((word) => word !== "--short");
await perform(process.argv.includes("--short"), words[0]);
