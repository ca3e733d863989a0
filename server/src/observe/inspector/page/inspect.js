// The inspector: lines of a journal come in, live or from a file, and what they say is shown, once a frame.

import { detail } from "./detail.js";
import { $, el } from "./dom.js";
import { onDrop } from "./drop.js";
import { explain } from "./explain.js";
import { EVERYTHING, GROUPS, filter } from "./filter.js";
import { Lanes } from "./lanes.js";
import { List } from "./list.js";
import { Model } from "./model.js";
import { overview } from "./overview.js";
import { follow, read } from "./source.js";
import { makeRoom } from "./split.js";
import { count } from "./words.js";

/** How often lanes and a session's page are drawn anew while records come in, in milliseconds. */
const SLOW = 120;

/** The journal that goes on, the one that is looked at, and one that ended when the server did. */
let live = new Model();
let shown = live;
let before;
/** The name of the file that is looked at. */
let name;

let paused = false;
/** The newest record and the time when it was paused. */
let pausedAt = { n: 0, time: 0 };
let asked = { ...EVERYTHING };
let selected; // a session
let opened; // a record
let connection = { name: "connecting" };
let painted = 0;
let requested = false;
let timer;
/** How much of the selected session was shown when, in its page. */
let told = { session: undefined, changes: 0, at: 0 };

const list = new List({ open: openRecord, moved: (entry) => opened && openRecord(entry), later });
const lanes = new Lanes({ select, later });

// ── What comes in ────────────────────────────────────────────────────────────────────────────────

function take(lines) {
  try {
    for (const line of lines) {
      if (line.startsWith('{"journal"') && live.head && !live.resumes(line)) restarted();
      live.add(line);
    }
  } catch (error) {
    // A server of another version.
    note(error.message);
  }
  later();
}

/** Another run of the server: its records are another journal. */
function restarted() {
  before = live;
  live = new Model();
  if (shown !== before) return;
  show(live);
  note("The server has restarted.", "Show the records from before", () => {
    show(before, "before the restart");
    note();
  });
}

async function openFile(file) {
  let model = new Model();
  try {
    await read(file, (lines) => lines.forEach((line) => {
      // A file has a head for each run of the server. The last run is the one to look at.
      if (line.startsWith('{"journal"') && model.head) model = new Model();
      model.add(line);
    }));
    if (!model.head) throw new Error("This file is empty.");
  } catch (error) {
    return note(`${file.name} could not be opened. ${error.message}`);
  }
  note(model.unreadable > 0 ? `${count(model.unreadable, "line")} of ${file.name} ${model.unreadable === 1 ? "is not a record" : "are not records"}: left out.` : undefined);
  show(model, file.name);
  $("span").value = "0";
}

/** Looks at another journal. */
function show(model, file) {
  shown = model;
  name = file;
  opened = undefined;
  selected = undefined;
  setPaused(false);
  ask({ ...asked, session: undefined });
  $("live").hidden = shown === live;
  $("pause").disabled = shown !== live;
}

// ── What one does ────────────────────────────────────────────────────────────────────────────────

function ask(wanted) {
  asked = wanted;
  const test = filter(asked);
  list.ask(shown, paused ? (entry) => entry.n <= pausedAt.n && test(entry) : test, asked.session !== undefined);
  const session = $("session-chip");
  session.hidden = asked.session === undefined;
  session.replaceChildren(`Session #${asked.session}`, el("span", { ariaHidden: "true" }, " ×"));
  session.ariaLabel = `Session ${asked.session}: show all sessions`;
  const { layers, direction, type, text } = asked;
  $("clear").hidden = layers.size === 0 && !direction && !type && !text && asked.session === undefined;
  for (const button of document.querySelectorAll("[data-layer]")) button.ariaPressed = String(layers.has(button.dataset.layer));
  later();
}

function select(session, time) {
  const again = selected === session && asked.session === session.number && time === undefined;
  selected = again ? undefined : session;
  opened = undefined;
  ask({ ...asked, session: selected?.number });
  if (selected && time !== undefined) {
    const entry = list.from(time);
    if (entry) list.activate(entry);
  }
  showPanel();
}

function openRecord(entry) {
  opened = entry;
  list.activate(entry);
  showPanel();
  later();
}

function closePanel() {
  const back = opened ? "records" : "lanes";
  if (opened) opened = undefined;
  else if (selected) select(selected);
  showPanel();
  $(back).focus();
}

function setPaused(on) {
  if (paused === on) return;
  pausedAt = { n: shown.entries.last()?.n ?? 0, time: time() };
  paused = on;
  $("pause").ariaPressed = String(on);
  $("pause").lastElementChild.textContent = on ? "Resume" : "Pause";
  if (!on) ask(asked);
  later();
}

function save() {
  const lines = [];
  for (const line of shown.lines()) lines.push(line, "\n");
  if (shown.headLine === undefined) return note("There is nothing to save yet.");
  const url = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
  const began = new Date(shown.head.began).toISOString().slice(0, 19).replaceAll(":", "-");
  el("a", { href: url, download: `journal-${began}.jsonl` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A word on top of the page, with something to do about it if there is; no word takes it away. */
function note(text, act, run) {
  $("note").hidden = text === undefined;
  $("note-text").textContent = text ?? "";
  $("note-act").hidden = act === undefined;
  $("note-act").textContent = act ?? "";
  $("note-act").onclick = run;
}

// ── What is shown ────────────────────────────────────────────────────────────────────────────────

function later() {
  if (requested) return;
  requested = true;
  requestAnimationFrame(frame);
}

function frame(now) {
  requested = false;
  if (!paused) list.update();
  list.rows.render();
  lanes.rows.render();
  if (now - painted > SLOW) {
    painted = now;
    paint();
  } else {
    timer ??= setTimeout(() => {
      timer = undefined;
      later();
    }, SLOW);
  }
}

/** All that need not be drawn for every record. */
function paint() {
  const end = time();
  drawLanes(end);
  if (!opened && selected && news()) showPanel();
  drawStatus();
}

/** Whether there is something to tell of the selected session: of itself, or as deadlines come nearer. */
function news() {
  const panel = $("panel");
  // Not under one's hands.
  if (panel.matches(":active") || (!getSelection().isCollapsed && panel.contains(getSelection().anchorNode))) return false;
  if (told.session !== selected || told.changes !== selected.changes) return true;
  return shown === live && !paused && selected.live && performance.now() - told.at > 1000;
}

/** What time it is in the journal. */
function time() {
  if (paused) return pausedAt.time;
  return shown === live && shown.head ? Math.max(shown.end, Date.now() - shown.head.began) : shown.end;
}

function drawLanes(end) {
  const which = $("which").value;
  const wanted = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const sessions = [...shown.sessions.values()].reverse().filter((session) =>
    (!paused || session.began <= end) && session.isKnownBy(wanted) && (which === "all" || (which === "live" ? session.live : session.breaches.length > 0)));
  const span = Number($("span").value);
  const begin = shown.entries.at(0)?.time ?? 0;
  // What is shorter than the span fills it from the left.
  let to = span > 0 ? Math.max(end, begin + span) : end;
  let from = span > 0 ? to - span : begin;
  // What is looked at is in sight.
  const focus = opened?.time ?? (selected?.closed < from ? selected.closed : undefined);
  if (span > 0 && (focus < from || focus > to)) {
    from = Math.max(begin, focus - span / 2);
    to = from + span;
  }
  const margin = (to - from) * 0.01;
  lanes.update(sessions, { from: from - margin, to: to + margin, now: end }, selected, opened?.time);
  $("no-lanes").hidden = sessions.length > 0;
  $("no-lanes").textContent = shown.sessions.size > 0 ? "No session matches." : shown === live ? "Connect a client to the server, and its session appears here." : "There is no session in this journal.";
}

function drawStatus() {
  const { records, sessions } = shown.fallen;
  const waiting = paused ? shown.entries.length - shown.entries.search(({ n }) => n > pausedAt.n) : 0;
  const lively = [...shown.sessions.values()].filter((session) => session.live).length;
  put($("status"), state());
  $("dot").className = `dot ${shown === live ? (paused ? "paused" : connection.name) : "file"}`;
  put($("totals"), [
    shown === live ? `${lively} live of ${count(shown.sessions.size, "session")}` : count(shown.sessions.size, "session"),
    count(shown.entries.length, "record"),
    waiting > 0 && `${waiting} since`,
    records > 0 && `${count(records, "older one")} let go`,
    sessions > 0 && `with ${count(sessions, "session")}`,
    shown.missing > 0 && `${count(shown.missing, "record")} missing`,
    shown.full && "the journal was full",
  ].filter(Boolean).join(" · "));
  const narrowed = !$("clear").hidden;
  put($("shown"), narrowed ? count(list.length, "record") : "");
  $("no-records").hidden = list.length > 0;
  put($("no-records"), narrowed ? "No record matches." : "There are no records yet.");
  $("newer").hidden = list.rows.follow || paused || shown !== live || !list.rows.overflows;
  put($("newer"), "Follow new records ↓");
}

function state() {
  if (shown !== live) return `looking at ${name}`;
  if (paused) return "paused";
  switch (connection.name) {
    case "live":
      return "live";
    case "waiting":
      return `connection lost, next try in ${connection.seconds} s`;
    case "refused":
      return connection.why;
    default:
      return "connecting";
  }
}

/** Text that is not touched while it stays the same, so that it is not read out again. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showPanel() {
  const panel = $("panel");
  panel.classList.toggle("open", Boolean(opened ?? selected));
  const content = $("content");
  const key = content.contains(document.activeElement) && document.activeElement.dataset.key;
  told = { session: selected, changes: selected?.changes, at: performance.now() };
  const view = opened ? detail(opened, shown, { open: openRecord, look, explain }) : selected ? overview(selected, time(), openRecord) : help();
  content.replaceChildren(...view.filter(Boolean));
  $("close").hidden = !opened && !selected;
  if (key) content.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

function look(session) {
  opened = undefined;
  if (selected !== session) select(session);
  showPanel();
}

function help() {
  const keys = [["↑ ↓", "through records or sessions"], ["Enter", "open"], ["Esc", "close"], ["/", "filter"], ["e", "explain a packet"], ["Space", "pause"]];
  return [
    el("h2", {}, "What this page shows"),
    el("p", {}, "Above, a lane for each session: its transports over time, and every packet. Below, every record, each layer indented inside the one that carries it."),
    el("p", {}, "Choose a session to see its upgrade, its heartbeat, its namespaces and why it ended. Choose a record to see what each of its bytes means."),
    el("dl", { className: "keys" }, ...keys.flatMap(([key, does]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, does)])),
  ];
}

// ── What one presses ─────────────────────────────────────────────────────────────────────────────

const TYPES = {
  "Socket.IO": ["connect", "disconnect", "event", "ack", "connect_error", "binary_event", "binary_ack", "attachment"],
  "Engine.IO": ["open", "close", "ping", "pong", "message", "upgrade", "noop"],
  WebSocket: ["text", "binary", "continuation"],
  HTTP: ["GET", "POST", "body", "200", "101", "400"],
  Application: ["hook", "api"],
  Session: ["opened", "probe_opened", "probe_dropped", "upgraded", "closed", "ended", "joined", "left", "room_joined", "room_left", "plain_opened", "plain_ended", "limit", "lost"],
};
$("type").append(
  el("option", { value: "" }, "All types"),
  ...Object.keys(GROUPS).map((group) => el("option", { value: group }, group[0].toUpperCase() + group.slice(1))),
  ...Object.entries(TYPES).map(([label, types]) => el("optgroup", { label }, ...types.map((type) => el("option", { value: type }, type.replaceAll("_", " "))))),
);

$("text").oninput = () => ask({ ...asked, text: $("text").value });
$("direction").onchange = () => ask({ ...asked, direction: $("direction").value });
$("type").onchange = () => ask({ ...asked, type: $("type").value });
$("filter").onsubmit = (event) => event.preventDefault();
for (const button of document.querySelectorAll("[data-layer]")) {
  button.onclick = () => {
    const layers = new Set(asked.layers);
    if (!layers.delete(button.dataset.layer)) layers.add(button.dataset.layer);
    ask({ ...asked, layers });
  };
}
$("session-chip").onclick = () => {
  selected = undefined;
  ask({ ...asked, session: undefined });
  showPanel();
  $("text").focus();
};
$("clear").onclick = () => {
  $("filter").reset();
  selected = undefined;
  ask({ ...EVERYTHING });
  showPanel();
  $("text").focus();
};
$("which").onchange = later;
$("find").oninput = later;
let takeBack;
$("fit").onclick = () => {
  lanes.all = !lanes.all;
  $("fit").ariaPressed = String(lanes.all);
  // As high as lanes should be at least for one to tell them apart, where the page has so much.
  if (lanes.all) takeBack = makeRoom(lanes.length * 6);
  else takeBack?.();
  later();
};
$("span").onchange = later;
$("pause").onclick = () => setPaused(!paused);
$("save").onclick = save;
$("open").onclick = () => $("file").click();
$("file").onchange = () => {
  const [file] = $("file").files;
  if (file) openFile(file);
  $("file").value = "";
};
$("live").onclick = () => {
  note();
  show(live);
  showPanel();
};
$("newer").onclick = () => {
  list.rows.active = -1;
  list.rows.follow = true;
  list.rows.toEnd();
  later();
};
$("close").onclick = closePanel;
$("note-close").onclick = () => note();

window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("explainer").open) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape") {
    if (event.target === $("text")) $("records").focus();
    else if (event.target === $("find")) $("lanes").focus();
    else closePanel();
  } else if (event.key === "/" && !typing) {
    event.preventDefault();
    $("text").focus();
    $("text").select();
  } else if (event.key === "e" && !typing) {
    event.preventDefault();
    explain();
  } else if (event.key === " " && !typing && !event.target.matches("button, a")) {
    event.preventDefault();
    if (!$("pause").disabled) setPaused(!paused);
  } else if (["ArrowUp", "ArrowDown"].includes(event.key) && event.target === document.body) {
    $("records").focus();
    list.rows.move(Math.max(0, list.length - 1));
  }
});

onDrop(openFile);

// The time goes on while nothing comes: lanes move, deadlines come nearer.
setInterval(() => shown === live && !paused && !document.hidden && later(), 250);

ask(asked);
showPanel();
follow(`records${location.search}`, take, (state) => {
  connection = state;
  later();
});
