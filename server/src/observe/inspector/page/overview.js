// What is known of one session: how it lives, where it is, why it ended.

import { dance } from "./dance.js";
import { el, visible } from "./dom.js";
import { whole } from "./journal.js";
import { heartbeat } from "./heartbeat.js";
import { count, duration, reasonWords, stateOf, transportName } from "./words.js";

const section = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);

/** `open(entry)` is called for a record that is chosen. */
export function overview(session, now, open) {
  const over = !session.live;
  return [
    el("p", { className: "eyebrow" }, "Session"),
    el("h2", {}, `#${session.number} `, el("span", { className: `badge ${over ? "over" : session.transport ?? ""}` }, visible(stateOf(session)))),
    over && ending(session),
    facts(session, now),
    session.breaches.length > 0 && section("Rule breaches", ...session.breaches.map((entry) => breach(entry, open))),
    session.steps.length > 0 && !session.plain && section(danceTitle(session), dance(session, open)),
    session.transport && !session.plain && section("Heartbeat", heartbeat(session, now)),
    session.transport && !session.plain && section("Namespaces and rooms", ...namespaces(session)),
    session.limits.length > 0 && section("Limits", el("p", {}, [...new Set(session.limits.map((entry) => visible(whole(entry).limit)))].join(", "))),
  ];
}

function ending(session) {
  const reason = session.reason ?? "unknown";
  const meaning = reasonWords(reason);
  return el("p", { className: "ending" }, el("b", {}, visible(reason)), meaning ? `: ${meaning}.` : ".");
}

function facts(session, now) {
  const transports = session.transports.map(({ transport, began }, index) => {
    const until = session.transports[index + 1]?.began ?? session.closed ?? now;
    return `${transportName(transport)} for ${duration(until - began)}`;
  });
  const rows = [
    ["Id", session.sid && el("code", {}, visible(session.sid))],
    ["Protocol", session.plain ? "WebSocket alone" : session.revision && `Engine.IO ${session.revision}`],
    ["Transports", transports.join(", then ")],
    ["From", session.address && el("code", {}, visible(session.address))],
    ["Client", session.agent && visible(session.agent)],
    [session.plain ? "Frames" : "Packets", `${session.sent.in} in, ${session.sent.out} out`],
  ];
  return el("dl", { className: "facts" }, ...rows.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function breach(entry, open) {
  const { rule, text } = whole(entry);
  const button = el("button", { className: "rule breach", onclick: () => open(entry) }, el("code", {}, visible(rule)), el("span", {}, visible(text)));
  button.dataset.key = `breach ${entry.n}`;
  return button;
}

function danceTitle(session) {
  return { none: "Handshake", probing: "Handshake and probe", upgraded: "Handshake and upgrade", dropped: "Handshake, and a failed upgrade" }[session.upgrade];
}

function namespaces(session) {
  if (session.namespaces.size === 0) return [el("p", { className: "quiet" }, session.live ? "The client has joined none." : "The client joined none.")];
  return [el("ul", { className: "places" }, ...[...session.namespaces].map(([nsp, place]) => {
    const state = place.left === undefined ? "" : `left: ${place.reason}`;
    return el(
      "li",
      { className: place.left === undefined ? "" : "over" },
      el("code", { className: "nsp" }, visible(nsp)),
      place.socket && el("code", { className: "socket", title: "The socket's id" }, visible(place.socket)),
      state && el("span", { className: "quiet" }, visible(state)),
      place.rooms.size > 0 && el("span", { className: "rooms" }, ...[...place.rooms].map((room) => el("span", { className: "room" }, visible(room)))),
    );
  }))];
}
