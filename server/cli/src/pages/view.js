// Builds what the page shows. What people write becomes text nodes, never HTML.

import { canBeFollowed, parts } from "./text.js";

/** An element with properties and children: `el("b", { className: "name" }, "ada")`. */
export function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

const svg = (path) => {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 20 20");
  icon.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  icon.append(line);
  return icon;
};
const CROWD = "M3 16.5c0-3 2-4.5 4.5-4.5s4.5 1.5 4.5 4.5M7.5 9.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4M12.5 4.4a2.6 2.6 0 0 1 0 4.8M14 12.4c1.8.5 3 1.900 3 4.100";

const isGuest = (name) => /^guest-\d+$/.test(name);

/** A colour for a name, the same on every page; guests have none. */
export function paint(element, name) {
  let hash = 0;
  for (const letter of name.toLowerCase()) hash = (hash * 31 + letter.codePointAt(0)) % 997;
  element.style.setProperty("--hue", Math.round(hash * 137.508) % 360);
  element.classList.toggle("guest", isGuest(name));
  return element;
}

export const initial = (name) => (isGuest(name) ? "?" : [...name][0] ?? "");

function avatar(name, here = false) {
  const circle = el("span", { className: here ? "avatar here" : "avatar", ariaHidden: "true" }, initial(name));
  return paint(circle, name);
}

/** A row of the sidebar. */
export function place({ kind, name, label, current, unread = 0, you, here, onclick }) {
  const sign = {
    everyone: () => el("span", { className: "sign", ariaHidden: "true" }, svg(CROWD)),
    room: () => el("span", { className: "sign", ariaHidden: "true" }, "#"),
    direct: () => avatar(name, here),
  }[kind]();
  const button = el(
    "button",
    { className: unread ? "place unread" : "place", disabled: Boolean(you), onclick },
    sign,
    el("span", { className: "name" }, label ?? name),
    you && el("small", {}, "you"),
    unread > 0 && el("span", { className: "badge" }, String(unread), el("span", { className: "hidden" }, " unread")),
  );
  if (current) button.setAttribute("aria-current", "true");
  button.dataset.key = `${kind} ${name}`;
  return el("li", {}, button);
}

/** Puts rows in place of the old ones, and the keyboard's focus back where it was. */
export function fill(list, rows) {
  const focused = list.contains(document.activeElement) && document.activeElement.dataset.key;
  list.replaceChildren(...rows);
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** A message or a note. `previous` is the entry before it; `act` has `room(name)` and `retry(entry)`. */
export function entry(item, previous, act) {
  if (item.kind === "note") return el("p", { className: "note" }, item.text);

  const follows = previous?.kind === "text" && previous.from === item.from && previous.own === item.own
    && item.at - previous.at < 180_000;
  const time = el("time", { dateTime: item.at.toISOString() }, clock.format(item.at));
  const who = item.own ? "You" : item.from;
  const byline = follows
    ? el("span", { className: "hidden" }, `${who}, `, time)
    : el("div", { className: "byline" }, item.own ? el("span", { className: "hidden" }, "You ") : el("b", {}, who), time);
  const bubble = el("div", { className: "bubble", dir: "auto" }, ...parts(item.text).map((part) => written(part, act.room)));
  const message = el(
    "div",
    { className: `message${item.own ? " own" : ""}${follows ? "" : " first"} ${item.state ?? ""}` },
    !item.own && !follows && avatar(item.from),
    byline,
    bubble,
    item.state === "failed" && el(
      "div",
      { className: "failure" },
      el("span", {}, item.error),
      el("button", { className: "link", onclick: () => act.retry(item) }, "Send again"),
    ),
  );
  return paint(message, item.from);
}

/** A part of a message. `#tea` is a door into that room; a page of the web opens beside this one, and is not told of it. */
function written({ text, room, address }, enter) {
  if (room) return el("button", { type: "button", className: "room-link", onclick: () => enter(room) }, text);
  if (address) return el("a", { className: "web-link", href: address, target: "_blank", rel: "noopener noreferrer", title: address }, text);
  return text;
}

/** The line below the conversation. */
export function status(state) {
  switch (state.name) {
    case "connecting":
      return "connecting";
    case "polling":
      return "online by long polling";
    case "websocket":
      return state.upgradedIn === undefined
        ? "online by WebSocket"
        : `online by WebSocket, upgraded in ${state.upgradedIn} ms`;
    case "waiting":
      return `connection lost, next try in ${Math.max(1, Math.round(state.delay / 1000))} s`;
    case "closed":
      return `closed: ${state.reason}`;
  }
}

/** Title, subtitle and the field's label of a conversation. */
export function words({ kind, name, members }, online) {
  switch (kind) {
    case "everyone":
      return ["Everyone", "Whoever has this page open reads what is written here", "Message to everyone"];
    case "room":
      return [`#${name}`, [...members].sort().join(", "), `Message to #${name}`];
    case "direct":
      return [name, online.has(name) ? "Online · only the two of you read this" : "Only the two of you read this", `Message to ${name}`];
  }
}

/** What stands where nothing has been said yet. */
export function invitation({ kind, name }) {
  switch (kind) {
    case "everyone":
      return ["It is quiet here", "Say something, or open this page in a second window and talk to yourself. Nothing is stored: you see what is said while you are here."];
    case "room":
      return [`You are in #${name}`, canBeFollowed(name)
        ? `Others come in by joining “${name}”, or by following #${name} in a message.`
        : `Others come in by joining “${name}”.`];
    case "direct":
      return [`You and ${name}`, "What you write here goes to nobody else."];
  }
}
