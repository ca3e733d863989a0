// Compares the outcomes of the cases for servers with the deviations that are known: node deviations.mjs SERVER REVISION FILE. The exit
// code is 1 if a `must` fails that isn't known, or if one that is known passes.
import { readFileSync } from "node:fs";
import { known, lines } from "./known.mjs";

const [server, revision, file] = process.argv.slice(2);
const outcomes = lines(readFileSync(file, "utf8"));
const deviations = known("known-deviations.txt");
const failing = outcomes.filter((one) => one.verdict === "fail");
const news = failing.filter((one) => one.level === "must" && deviations.why(server, one.case) === undefined);
const passed = new Set(outcomes.map((one) => one.case).filter((id) => !failing.some((one) => one.case === id)));
const gone = [...deviations.all.keys()].filter((key) => key.startsWith(`${server} `) && passed.has(key.split(" ")[1]) && revision === "4");

for (const { case: id, transport, title, problem } of news) console.log(`     ${id} ${transport}: ${title}\n       ${problem}`);
for (const key of gone) console.log(`     known-deviations.txt has ${key}, which passes`);
const bad = news.length > 0 || gone.length > 0 || !outcomes.length;
console.log(`${bad ? "FAIL" : "ok  "} cases for servers: ${server}, revision ${revision}: ${outcomes.length} runs, ${failing.length} failed`);
process.exit(bad ? 1 : 0);
