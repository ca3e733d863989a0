// The drawer that shows what goes over the wire, each record with a word on what it means.

const SEPARATOR = "\x1e";
const KEPT = 300;

/** What one packet says, for who sees it for the first time. */
export function explain(packet, direction) {
  const out = direction === "out";
  if (packet.startsWith("http")) {
    return packet.includes("transport=websocket") ? "open a WebSocket for this session" : "ask for a session";
  }
  const socketio = /^4(\d)(\d*)(?:\["((?:[^"\\]|\\.)*)")?/s.exec(packet);
  if (socketio) {
    const [, type, id, name] = socketio;
    switch (type) {
      case "0": return out ? "CONNECT: ask to join the namespace /" : "CONNECT: you are in";
      case "1": return "DISCONNECT";
      case "2": return `EVENT ${name}` + (id && `, wants answer ${id}`);
      case "3": return `ACK: answer ${id}`;
      case "4": return "CONNECT_ERROR: refused";
    }
  }
  if (packet === "2probe") return "does this WebSocket work?";
  if (packet === "3probe") return "it works";
  switch (packet[0]) {
    case "0": return "open: the session and its rules";
    case "1": return "close";
    case "2": return "ping: are you there?";
    case "3": return "pong: yes";
    case "5": return "upgrade: I use the WebSocket now";
    case "6": return "noop: answers a waiting GET";
    default: return "";
  }
}

/** Keeps the last records, and shows them in `list` while `shown`. */
export class Wire {
  #list;
  #records = [];
  #began = performance.now();
  #last = 0;
  #shown = false;

  #inspector;

  /** Packets lead to the explainer of that inspector, if there is one. */
  constructor(list, inspector) {
    this.#list = list;
    this.#inspector = inspector;
  }

  add(direction, carrier, text) {
    const at = performance.now() - this.#began;
    const record = { at, direction, carrier, text, gap: at - this.#last > 1500 };
    this.#last = at;
    this.#records.push(record);
    if (this.#records.length > KEPT) this.#records.shift();
    if (this.#shown) this.#append(record);
  }

  show(shown) {
    this.#shown = shown;
    this.#list.replaceChildren();
    if (shown) this.#records.forEach((record) => this.#append(record));
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  #append({ at, direction, carrier, text, gap }) {
    const list = this.#list;
    const follow = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const row = document.createElement("li");
    row.className = `record ${direction}${gap ? " gap" : ""}`;
    const cell = (name, ...content) => {
      const span = document.createElement("span");
      span.className = name;
      span.append(...content);
      row.append(span);
    };
    const packets = text.split(SEPARATOR);
    cell("at", `${(at / 1000).toFixed(3)} s`);
    cell("carrier", carrier);
    const raw = packets.flatMap(marked).slice(1);
    if (this.#inspector && !text.startsWith("http")) raw.splice(0, raw.length, this.#link(raw, direction, text));
    cell("raw", ...raw);
    cell("means", packets.map((packet) => explain(packet, direction)).join(" · "));
    row.title = text.replaceAll(SEPARATOR, "␞");
    list.append(row);
    if (list.children.length > KEPT) list.firstChild.remove();
    if (follow) list.scrollTop = list.scrollHeight;
  }

  /** What leads to the explanation of each byte. */
  #link(content, direction, text) {
    const link = document.createElement("a");
    const from = direction === "out" ? "client" : "server";
    link.href = `${this.#inspector}#explain=${encodeURIComponent(text)}&from=${from}`;
    Object.assign(link, { target: "_blank", rel: "noreferrer", title: "Explain each byte in the inspector" });
    link.append(...content);
    return link;
  }
}

/** A packet with its types set off, after the separator that stands between two. */
function marked(packet) {
  const separator = document.createElement("i");
  separator.textContent = "␞";
  const [types, rest] = packet.startsWith("http")
    ? ["", packet.replace(/^https?:\/\/[^/]*/, "")]
    : [/^4?\d?/.exec(packet)[0], packet.replace(/^4?\d?/, "")];
  const em = document.createElement("em");
  em.textContent = types;
  return [separator, em, rest];
}
