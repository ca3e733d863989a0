// Writes docs/interop.md from the results of the lab and of check: node interop.mjs RESULTS_FOLDER PAGE. Why a case fails is the remark
// beside it in known-failures.txt and known-deviations.txt; the exit code is 1 if one has none.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { known, lines } from "./known.mjs";

const [folder, page] = process.argv.slice(2);
const read = (name) => readFileSync(join(folder, name), "utf8");
const results = readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => JSON.parse(read(name)));
const cases = new Map(results.flatMap((result) => result.cases.map((about) => [about.id, about])));
const { groups, began, by } = results[0];
const failures = known("known-failures.txt");
const deviations = known("known-deviations.txt");
const unexplained = [];

const groupOf = (id) => Number(id.split(".")[0]);
const text = (words) => words.replaceAll("|", "\\|").replaceAll("<", "&lt;");
const byNumber = (a, b) => a.localeCompare(b, "en", { numeric: true });

/** How many pass, are not strict, and fail: one number if all pass. */
function counts(outcomes) {
  const of = (...verdicts) => outcomes.filter((one) => verdicts.includes(one.verdict)).length;
  const [pass, nonStrict, fail] = [of("pass", "informational"), of("non-strict"), of("fail")];
  if (!pass && !nonStrict && !fail) return "";
  return nonStrict || fail ? `${pass} · ${nonStrict} · ${fail}` : `${pass}`;
}

function table(first, columns, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |\n`;
  return line([first, ...columns]) + line([first, ...columns].map(() => "---")) + rows.map(line).join("");
}

function reason(list, name, id, seen) {
  const why = list.why(name, id);
  if (!why) unexplained.push(`${name} ${id}: ${seen}`);
  return why || `seen: ${text(seen).slice(0, 200)}`;
}

// Several runs of one agent, each of some cases, are one.
const byName = new Map();
for (const one of results.flatMap((result) => result.agents)) {
  const outcomes = [...(byName.get(one.agent.name)?.outcomes ?? []), ...one.outcomes];
  byName.set(one.agent.name, { ...one, outcomes });
}
const agents = [...byName.values()].sort((a, b) => byNumber(a.agent.name, b.agent.name));
let out = `# Interoperability

What [the lab](lab/README.md) found on ${new Date(began).toISOString().slice(0, 10)} with ${by}. \`tests/lab/run interop\` regenerates this page.

A failure says that an implementation does something other than the case expects. Some are deliberate decisions of its authors, and some are about
what no document settles. What failed without a known reason was run again by itself, and counts as passed if it did not fail again.

## Clients

How many cases of each group pass, or, if not all do: pass · not strictly · fail. What a client doesn't have isn't counted.
[The cases](lab/cases.md) have the groups' names and what each expects.

`;
const clientGroups = [...groups.keys()].map((at) => at + 1).filter((group) => agents.some((one) => counts(one.outcomes.filter((outcome) => groupOf(outcome.case) === group))));
out += table("client", clientGroups.map((group) => groups[group - 1]), agents.map((one) => [
  one.agent.name,
  ...clientGroups.map((group) => counts(one.outcomes.filter((outcome) => groupOf(outcome.case) === group))),
]));

for (const { agent, outcomes } of agents) {
  const of = (verdict) => outcomes.filter((one) => one.verdict === verdict).sort((a, b) => byNumber(a.case, b.case));
  const link = ({ case: id }) => `[${id}](lab/cases.md#${id})`;
  if (!of("fail").length && !of("non-strict").length) continue;
  out += `\n### ${agent.name}\n\n`;
  for (const one of of("fail")) out += `- ${link(one)} (${cases.get(one.case).level}) ${cases.get(one.case).title}: ${reason(failures, agent.name, one.case, one.seen)}\n`;
  if (of("non-strict").length) out += `- not strictly: ${of("non-strict").map(link).join(", ")}\n`;
}

out += `
### What rust_socketio 0.6 sends and reads otherwise

- [3.1.9](lab/cases.md#3.1.9): after each handshake it sends a pong that no ping asked for.
- [11.2.12](lab/cases.md#11.2.12): an event with bytes that asks for an acknowledgement goes as BINARY_ACK (\`6\`), not as BINARY_EVENT (\`5\`).
  A server takes it for an acknowledgement that it did not ask for.
- [5.4.7](lab/cases.md#5.4.7) and [10.1.9](lab/cases.md#10.1.9): it takes the byte 1e in a binary frame for the separator of a payload, and cuts the
  attachment there.
`;

const names = { node: "socket.io 4.8 on Node", python: "python-socketio 5", socketioxide: "socketioxide 0.18", ours: "socketio-server" };
const servers = readdirSync(folder).filter((name) => /^server-.*\.jsonl$/.test(name)).map((name) => {
  const [, key, revision] = /^server-(.*)-(\d)\.jsonl$/.exec(name);
  return { key, name: `${names[key]}, revision ${revision}`, outcomes: lines(read(name)) };
});
const serverGroups = [...new Set(servers.flatMap((one) => one.outcomes.map((outcome) => groupOf(outcome.case))))].sort((a, b) => a - b);
const serverNames = { 12: "Floods" };
out += `\n## Servers

The same for servers: \`socketio-server check --cases\` counts each transport by itself. [Check](guide/check.md) says which application they run.

`;
out += table("server", serverGroups.map((group) => serverNames[group] ?? groups[group - 1]), servers.map((one) => [
  one.name,
  ...serverGroups.map((group) => counts(one.outcomes.filter((outcome) => groupOf(outcome.case) === group))),
]));
for (const { key, name, outcomes } of servers) {
  const failing = new Map(outcomes.filter((one) => one.verdict === "fail").map((one) => [one.case, one]));
  if (!failing.size) continue;
  out += `\n### ${name}\n\n`;
  for (const [id, one] of failing) out += `- ${id} (${one.level}) ${one.title}: ${reason(deviations, key, id, one.problem)}\n`;
}

writeFileSync(page, out);
console.log(`${agents.length} clients, ${servers.length} servers: ${page}`);
if (unexplained.length) {
  console.log(`no reason is given for\n${unexplained.map((one) => `  ${one}`).join("\n")}`);
  process.exit(1);
}
