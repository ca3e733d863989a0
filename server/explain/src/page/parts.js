// Bytes in the colours of their parts: what each part means, a dump, and the rule that is broken.

import { el, visible } from "./dom.js";

/** The most bytes that are shown at first. */
const BYTES = 1024;

const tint = (part, index) => (part.wrong ? "wrong" : `tint-${index % 6}`);

/** A rule, where it stands, and what the server does about it. */
export function rule({ id, section, answer }) {
  return el("div", { className: "rule" }, el("code", {}, id), el("p", {}, "This breaks ", ...place(section), ". The server ", answer.replaceAll("`", ""), "."));
}

/** The name of a section, which leads there if it is on the web. */
function place(section) {
  const address = link(section);
  return [address ? el("a", { className: "link", href: address, target: "_blank", rel: "noreferrer" }, section) : section];
}

/** Where a section can be read. */
function link(section) {
  const anchor = section.match(/"([^"]*)"$/)?.[1].toLowerCase().replace(/[^a-z0-9]+/g, "-");
  if (section.startsWith("Engine.IO protocol 4")) return `https://socket.io/docs/v4/engine-io-protocol/#${anchor}`;
  if (section.startsWith("Socket.IO protocol 5")) return `https://socket.io/docs/v4/socket-io-protocol/#${anchor}`;
  const rfc = /^RFC 6455, section (.*)$/.exec(section);
  return rfc ? `https://www.rfc-editor.org/rfc/rfc6455#section-${rfc[1]}` : undefined;
}

/**
 * What each part means. A part is `{start, end, depth, text, means}`; `section` says where that is written, and `wrong`
 * that it breaks a rule.
 */
export function table(known) {
  const rows = known.map((part, index) => {
    const { start, end, depth, text, means, section, wrong } = part;
    const nothing = end > start ? "" : wrong ? "(the end)" : "(nothing)";
    const row = el(
      "tr",
      { tabIndex: -1 },
      el("td", { className: "offset" }, String(start)),
      el("td", {}, el("code", {}, visible(text.length > 60 ? `${text.slice(0, 60)}…` : text) || nothing)),
      el("td", {}, means, section && section !== known[index - 1]?.section && el("small", {}, ...place(section))),
    );
    row.dataset.part = index;
    row.style.setProperty("--depth", depth);
    row.className = tint(part, index);
    return row;
  });
  const head = el("tr", {}, ...["At", "On the wire", "Means"].map((name) => el("th", { scope: "col" }, name)));
  return el("table", { className: "parts" }, el("thead", {}, head), el("tbody", {}, ...rows));
}

/** Bytes as one line of text, each in the tint of the innermost part that has it. `write` makes text of some bytes. */
export function line(bytes, known, write, most = BYTES) {
  const ends = new Set([0, bytes.length, ...known.flatMap(({ start, end }) => [start, end])]);
  const places = [...ends].filter((place) => place <= Math.min(bytes.length, most)).sort((a, b) => a - b);
  const spans = places.slice(0, -1).map((from, at) => {
    const index = known.findLastIndex(({ start, end }) => from >= start && from < end);
    const part = known[index];
    return el("span", part ? { className: tint(part, index), title: part.means } : {}, write(bytes.slice(from, places[at + 1])));
  });
  return el("pre", { className: "coloured", tabIndex: 0, ariaLabel: "The bytes as text" }, ...spans, places.at(-1) < bytes.length && "…");
}

/** A hex dump with the text beside it, in the tints of the parts. */
export function hex(bytes, known, most = BYTES) {
  // Sixteen bytes a line, as is usual, have no room beside the list.
  const width = matchMedia("(min-width: 110rem)").matches ? 16 : 8;
  const tintAt = (offset) => {
    // The innermost part is the last that has it.
    const index = known.findLastIndex(({ start, end }) => offset >= start && offset < end);
    return index < 0 ? "" : tint(known[index], index);
  };
  const rows = dump(bytes, width, most / width).map(({ offset, bytes }) => el(
    "div",
    { className: "dump-row" },
    el("span", { className: "offset" }, offset.toString(16).padStart(4, "0")),
    el("span", {}, ...runs(bytes, offset, tintAt, (byte) => byte.toString(16).padStart(2, "0"), " ")),
    el("span", { className: "ascii", ariaHidden: "true" }, ...runs(bytes, offset, tintAt, (byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·"), "")),
  ));
  const view = el("div", { className: `dump by-${width}`, tabIndex: 0, role: "group", ariaLabel: "Hexadecimal" }, ...rows);
  if (bytes.length > most) {
    const more = el("button", { className: "link" }, `Show more of the other ${(bytes.length - most).toLocaleString("en")} bytes`);
    more.onclick = () => view.replaceWith(hex(bytes, known, most * 16));
    view.append(more);
  }
  return view;
}

/** Neighbours of one tint as one element. */
function runs(bytes, offset, tintAt, write, between) {
  const found = [];
  bytes.forEach((byte, index) => {
    const className = tintAt(offset + index);
    const last = found.at(-1);
    if (last?.className === className) last.text += between + write(byte);
    else found.push({ className, text: write(byte) });
  });
  return found.flatMap(({ className, text }, index) => [index > 0 && between, el("span", { className }, text)]);
}

/** The text that the bytes are, if they are UTF-8. */
export function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Lines of a hex dump: `{offset, bytes: number[]}`, at most so many. */
function dump(bytes, width, most) {
  const rows = [];
  for (let offset = 0; offset < bytes.length && rows.length < most; offset += width) {
    rows.push({ offset, bytes: [...bytes.slice(offset, offset + width)] });
  }
  return rows;
}
