// Heartbeats as a rhythm: each ping with its answer, and the time by which that was due.

import { el, svg } from "./dom.js";
import { count, duration } from "./words.js";

const [WIDTH, HEIGHT] = [400, 64];
const BASE = 40;
/** How many intervals are shown. */
const INTERVALS = 6;

/** What is wrong with a beat, if anything, at the time `now`. */
export function verdict(beat, now) {
  if (beat.pong !== undefined) return beat.pong <= beat.by ? "answered" : "late";
  return now > beat.by ? "missed" : "waiting";
}

export function heartbeat(session, now) {
  const { beats, pingInterval, pingTimeout, revision } = session;
  if (pingInterval === undefined) return el("p", { className: "quiet" }, "The open packet, which has the rules, is not in the records.");
  const end = session.closed ?? now;
  const pinger = revision === 3 ? "client" : "server";
  const rules = `The ${pinger} pings every ${duration(pingInterval)}; an answer is due within ${duration(pingTimeout)}.`;
  const last = beats.at(-1);
  return el("div", { className: "heartbeat" }, drawing(session, end), el("p", {}, `${rules} ${last ? summary(beats, end) : next(session, end)}`));
}

function summary(beats, now) {
  const last = beats.at(-1);
  const answered = beats.filter((beat) => beat.pong !== undefined).length;
  const all = answered === beats.length ? "each answered" : `${answered} answered`;
  const how = {
    answered: () => `the last within ${duration(last.pong - last.ping)}`,
    late: () => `the last ${duration(last.pong - last.by)} too late`,
    missed: () => "the last was not answered in time",
    waiting: () => `the last is due within ${duration(last.by - now)}`,
  }[verdict(last, now)];
  return `${count(beats.length, "ping")}, ${all}, ${how()}.`;
}

function next(session, now) {
  if (!session.live) return "It ended before the first.";
  const due = session.began + session.pingInterval - now;
  return due > 0 ? `The first is due in ${duration(due)}.` : "None is in the records.";
}

function drawing({ beats, began, pingInterval, closed }, end) {
  const to = end + pingInterval / 3;
  const from = Math.max(began - pingInterval / 4, to - INTERVALS * pingInterval);
  const x = (time) => Math.round(((time - from) / (to - from)) * WIDTH * 10) / 10;
  const shapes = [];
  let path = `M${Math.max(0, x(began))} ${BASE}`;
  for (const beat of beats) {
    if (beat.by < from) continue;
    const at = x(beat.ping);
    const state = verdict(beat, end);
    // The time for the answer, and its end.
    shapes.push(svg("rect", { class: "due", x: at, y: BASE + 8, width: Math.max(0, x(beat.by) - at), height: 4, rx: 2 }));
    shapes.push(svg("rect", { class: "deadline", x: x(beat.by) - 0.75, y: BASE + 4, width: 1.5, height: 12 }));
    const used = x(beat.pong ?? Math.min(end, beat.by)) - at;
    shapes.push(svg("rect", { class: `used ${state}`, x: at, y: BASE + 8, width: Math.max(3, used), height: 4, rx: 2 }));
    path += state === "answered" || state === "late"
      ? `H${at - 6}l3 4l4 -30l5 36l3 -10`
      : `H${at - 3}l3 -22v22`;
    if (state === "missed") shapes.push(svg("circle", { class: "missed", cx: at, cy: BASE - 24, r: 4 }));
  }
  path += `H${Math.max(x(Math.min(end, to)), 0)}`;
  shapes.push(svg("path", { class: "pulse", d: path }));
  if (closed !== undefined) shapes.push(svg("rect", { class: "end", x: x(closed), y: BASE - 12, width: 2, height: 24 }));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "rhythm", "aria-hidden": "true", preserveAspectRatio: "none" }, ...shapes);
  return picture;
}
