// The explainer, a dialog on the page that loads this: what one pastes goes to the server, which has the rules. This paints what the
// server says, and keeps the input in the address, so that a link leads to it. A button with the id `explain` opens it.

import { $, el, svg, visible } from "./dom.js";
import { decode, line, rule, table, hex } from "./parts.js";

/** The levels of parts, the outermost first. */
const LEVELS = ["frame", "payload", "engineio", "socketio", "json", "element"];

const KINDS = { payload: "a polling payload", text: "a text packet", binary: "a binary WebSocket message", frames: "WebSocket frames" };
const FORMS = { hex: "read as hexadecimal", base64: "read as base64", journal: "read as lines of a journal" };

/** How long one has to stop typing, in milliseconds. */
const REST = 120;

/** A longer input is in no link: programs cut addresses. */
const LONGEST_LINK = 20_000;

const EXAMPLES = [
  ["An event", '42["chat","hi"]'],
  ["A payload", "2\\x1e40/admin,{}"],
  ["A WebSocket frame", "81 83 00000000 34 30 2f"],
  ["Something wrong", '42["connect",1]'],
];

document.body.append(dialog());

const encoder = new TextEncoder();
let timer;
/** The number of the latest question: an older answer is of no use. */
let latest = 0;
/** What the page has behind the `#` of its address, which comes back once the explainer is closed. */
let fragment = "";

function dialog() {
  const cross = svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, svg("path", { d: "M5 5l10 10M15 5L5 15" }));
  const options = (...all) => all.map(([value, text]) => el("option", { value }, text));
  return el(
    "dialog",
    { id: "explainer", ariaLabel: "Explain" },
    el(
      "div",
      { className: "explainer-top" },
      el("h2", {}, "Explain"),
      el("p", { className: "explainer-state" }, el("span", { id: "input-state", role: "status" })),
      el("button", { id: "input-link", className: "link", disabled: true }, "Copy link"),
      el("button", { id: "explainer-close", className: "icon", ariaLabel: "Close the explainer", title: "Close (Esc)" }, cross),
    ),
    el("label", { htmlFor: "input" }, "A packet, a payload, bytes in hexadecimal or base64, or lines of a journal"),
    el("textarea", { id: "input", rows: 3, autofocus: true, autocomplete: "off", autocapitalize: "none", spellcheck: false }),
    el(
      "div",
      { className: "explainer-settings" },
      el("label", {}, "Revision ", el("select", { id: "input-eio" }, ...options(["4", "Engine.IO 4"], ["3", "Engine.IO 3"]))),
      el("label", {}, "Sent by ", el("select", { id: "input-from" }, ...options(["", "either"], ["client", "a client"], ["server", "the server"]))),
    ),
    el("div", { id: "explanation", role: "region", ariaLabel: "Explanation", tabIndex: 0 }),
  );
}

/** Opens the explainer with an input, of a revision if that is known, or with the one before. */
export function explain(input, revision) {
  if (input !== undefined) $("input").value = input;
  if (revision !== undefined) $("input-eio").value = revision;
  if (!$("explainer").open) {
    fragment = location.hash.startsWith("#explain=") ? "" : location.hash;
    $("explainer").showModal();
  }
  $("input").focus();
  ask();
}

/** Opens it if the address has an input. */
function fromAddress() {
  const found = /^#explain=([^&]*)(.*)$/.exec(location.hash);
  if (!found) return;
  const settings = new URLSearchParams(found[2]);
  $("input-eio").value = settings.get("eio") === "3" ? "3" : "4";
  $("input-from").value = ["client", "server"].includes(settings.get("from")) ? settings.get("from") : "";
  let input;
  try {
    input = decodeURIComponent(found[1]);
  } catch {
    // Not written by this page.
    input = found[1];
  }
  explain(input);
}

/** The address with the input, or without one. */
function address() {
  const input = $("input").value;
  const plain = `${location.pathname}${location.search}`;
  if (!$("explainer").open || input === "" || input.length > LONGEST_LINK) return `${plain}${fragment}`;
  const settings = [$("input-eio").value === "3" && "&eio=3", $("input-from").value && `&from=${$("input-from").value}`];
  return `${plain}#explain=${encodeURIComponent(input.toWellFormed?.() ?? input)}${settings.filter(Boolean).join("")}`;
}

async function ask() {
  const [input, number] = [$("input").value, ++latest];
  history.replaceState(undefined, "", address());
  $("input-link").disabled = input === "" || input.length > LONGEST_LINK;
  if (input.trim() === "") return show("", examples());
  const query = new URLSearchParams(location.search);
  query.set("eio", $("input-eio").value);
  query.set("from", $("input-from").value);
  const answer = await fetch(`explain?${query}`, { method: "POST", body: input })
    .then((response) => response.json())
    .catch(() => ({ error: "the server does not answer, and it is what explains" }));
  if (number !== latest) return;
  if (answer.error !== undefined) return show("", [el("p", { className: "problem" }, `${answer.error[0].toUpperCase()}${answer.error.slice(1)}.`)]);
  const broken = answer.messages.filter((message) => message.broken).length;
  const verdict = broken === 0 ? "Legal" : broken === answer.messages.length ? "Breaks a rule" : `${broken} of ${answer.messages.length} messages break a rule`;
  const left = [answer.more_messages && `${answer.more_messages} more messages`, answer.more_parts && `${answer.more_parts} more parts`].filter(Boolean);
  show(answer.messages.length === 0 ? "" : [verdict, FORMS[answer.form], answer.form === "written" && answer.messages.length > 1 && "a message for each line"].filter(Boolean).join(", "), [
    ...answer.messages.map(message),
    answer.messages.length === 0 && el("p", { className: "problem" }, "No record of these has bytes to explain: bodies, packets and frames have."),
    left.length > 0 && el("p", { className: "quiet" }, `${left.join(" and ")} are not shown: socketio-server explain shows all.`),
  ]);
  $("input-state").classList.toggle("bad", broken > 0);
}

function show(state, content) {
  $("input-state").textContent = state;
  $("input-state").classList.remove("bad");
  $("explanation").replaceChildren(...content.filter(Boolean));
}

function examples() {
  const buttons = EXAMPLES.map(([name, input]) => el("button", { className: "example", onclick: () => explain(input) }, el("span", {}, name), el("code", {}, input)));
  return [el("div", { className: "examples", role: "group", ariaLabel: "Examples" }, ...buttons)];
}

function message({ kind, revision, bytes: given, parts, broken, notes, run, record, session, sender }) {
  const bytes = typeof given === "string" ? encoder.encode(given) : Uint8Array.from(atob(given.base64), (char) => char.charCodeAt(0));
  const outermost = Math.min(...parts.map(({ level }) => LEVELS.indexOf(level)), LEVELS.length);
  const known = parts.map(({ range: { start, end }, level, meaning, section }) => {
    const text = written(bytes.slice(start, end));
    return { start, end, depth: LEVELS.indexOf(level) - outermost, text, means: meaning, section };
  });
  if (broken) {
    const end = broken.at + character(bytes.slice(broken.at, broken.at + 4));
    const text = written(bytes.slice(broken.at, end));
    known.push({ start: broken.at, end, depth: 0, text, means: `Wrong: ${broken.rule.what}`, wrong: true });
  }
  const from = [run > 1 && `run ${run}`, record !== undefined && `record ${record}`, session !== undefined && `session ${session}`, sender && `from the ${sender}`];
  const size = `${bytes.length.toLocaleString("en")} ${bytes.length === 1 ? "byte" : "bytes"}`;
  return el(
    "article",
    {},
    el("h3", {}, `Engine.IO ${revision}, ${KINDS[kind]}, ${size}`),
    record !== undefined && el("p", { className: "where" }, from.filter(Boolean).join(" · ")),
    bytes.length > 0 && line(bytes, known, written),
    broken ? rule(broken.rule) : undefined,
    ...notes.map((note) => el("p", { className: "quiet" }, note)),
    table(known),
    bytes.length > 0 && el("details", {}, el("summary", {}, "In hexadecimal"), hex(bytes, known)),
  );
}

/** Bytes as text; those that are none, by their numbers. */
function written(bytes) {
  const text = decode(bytes);
  return text === undefined ? Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("") : visible(text);
}

/** How many bytes the first character has. */
function character(bytes) {
  const lengths = Array.from(bytes, (_, index) => index + 1);
  return lengths.find((length) => decode(bytes.slice(0, length)) !== undefined) ?? Math.min(1, bytes.length);
}

$("explain").onclick = () => explain();
$("explainer-close").onclick = () => $("explainer").close();
$("explainer").onclose = () => history.replaceState(undefined, "", address());
$("input").oninput = () => {
  clearTimeout(timer);
  timer = setTimeout(ask, REST);
};
for (const id of ["input-eio", "input-from"]) $(id).onchange = ask;
$("input-link").onclick = async () => {
  try {
    await navigator.clipboard.writeText(new URL(address(), location.href).href);
    $("input-link").textContent = "Copied";
  } catch {
    // A page that came by plain HTTP from another machine may not write there.
    $("input-link").textContent = "It is in the address bar";
  }
  setTimeout(() => ($("input-link").textContent = "Copy link"), 3000);
};
window.addEventListener("hashchange", fromAddress);
fromAddress();
