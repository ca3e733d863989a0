// The steps from the handshake to the upgrade, as arrows between the client and the server.

import { el, visible } from "./dom.js";
import { bytesOf, whole } from "./journal.js";
import { duration } from "./words.js";

/** What comes so many milliseconds behind the upgrade did not wait for it. */
const FLUSH = 20;

/** A step in words: what goes over the wire, and what for. Nothing for a record that is not shown as one. */
function step(entry, session) {
  const record = whole(entry);
  switch (entry.kind) {
    case "request": {
      const websocket = record.target.includes("transport=websocket");
      if (websocket) return { over: "websocket", wire: "GET, Upgrade: websocket", means: "a WebSocket to probe, while polling goes on" };
      if (!record.target.includes("sid=")) return { over: "polling", wire: "GET", means: "may I have a session?" };
      return { over: "polling", wire: "GET", means: "a poll, which waits for packets" };
    }
    case "response":
      return { over: "websocket", wire: "101", means: "the WebSocket is open" };
    case "probe_dropped":
      return { over: "note", wire: "the WebSocket is closed", means: "polling goes on" };
    case "upgraded":
      return { over: "note", wire: "the session has upgraded", means: "it uses the WebSocket from now on" };
    case "packet":
      return { over: entry.carrier === "probe" || entry.carrier === "websocket" ? "websocket" : "polling", ...packet(entry, record, session) };
    default:
      return undefined;
  }
}

function packet(entry, record, session) {
  const raw = typeof record.raw === "string" ? record.raw : `${bytesOf(record)?.length ?? 0} bytes`;
  const wire = visible(raw.length > 40 ? `${raw.slice(0, 40)}…` : raw);
  const probe = entry.carrier === "probe";
  if (probe && entry.type === "ping") return { wire, means: "does this WebSocket work?" };
  if (probe && entry.type === "pong") return { wire, means: "it works" };
  switch (entry.type) {
    case "open":
      return { wire, means: raw.includes('"upgrades":["websocket"]') ? "you may: its id, and that it can move to a WebSocket" : "you may: its id and its rules" };
    case "noop":
      return { wire, means: "answers the waiting poll, so that polling stops" };
    case "upgrade":
      return { wire, means: "I have stopped polling: everything by WebSocket now" };
    case "message":
      if (entry.carrier === "websocket") return { wire, means: flushes(entry, session) ? "the flush: what waited goes by WebSocket" : "the server's first packet by WebSocket" };
      if (raw.startsWith("40")) return { wire, means: entry.direction === "in" ? "4 message, 0 CONNECT: asks to join a namespace" : "CONNECT: you are in" };
      return { wire, means: "" };
    default:
      return { wire, means: "" };
  }
}

/** Whether it had waited for the upgrade: then it comes right behind it. */
function flushes(entry, session) {
  const upgraded = session.steps.find(({ kind }) => kind === "upgraded");
  return upgraded !== undefined && entry.time - upgraded.time < FLUSH;
}

/** The dance as a list; `open(entry)` is called for a step that is chosen. */
export function dance(session, open) {
  const rows = [];
  for (const entry of session.steps) {
    const shown = step(entry, session);
    if (!shown) continue;
    const from = entry.direction === "in" ? "client" : "server";
    const words = shown.over === "note" ? "" : `${from}, by ${shown.over === "polling" ? "polling" : "WebSocket"}: `;
    const button = el(
      "button",
      { className: `step ${shown.over} ${entry.direction ?? ""}`, onclick: () => open(entry) },
      el("span", { className: "step-time" }, duration(Math.max(0, entry.time - session.began))),
      el("span", { className: "arrow-line" }, el("span", { className: "hidden" }, words), el("code", {}, shown.wire)),
      el("span", { className: "step-means" }, shown.means),
    );
    button.dataset.key = `step ${entry.n}`;
    rows.push(el("li", {}, button));
  }
  const ends = el("div", { className: "ends", ariaHidden: "true" }, el("span", {}, "client"), el("span", {}, "server"));
  return el("div", { className: "dance" }, ends, el("ol", {}, ...rows));
}
