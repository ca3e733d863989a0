// node ../node-tests.mjs js/run.mjs VERSION [PART OF A SCENARIO'S NAME]

import { versions } from "./client.mjs";
import { perform } from "./scenario.mjs";

import "./scenarios/messages.mjs";
import "./scenarios/namespaces.mjs";
import "./scenarios/rooms.mjs";
import "./scenarios/leaving.mjs";
import "./scenarios/restart.mjs";
import "./scenarios/limits.mjs";
import "./scenarios/order.mjs";
import "./scenarios/msgpack.mjs";
import "./scenarios/recovery.mjs";
import "./scenarios/journal.mjs";
import "./scenarios/subprotocols.mjs";
import "./scenarios/compression.mjs";

const [version, only] = process.argv.slice(2);
if (!versions.includes(version)) throw new Error(`one of ${versions.join(", ")}, not ${version}`);
await perform(version, only);
