// What is known of one session, from its records.

import { Queue } from "./queue.js";
import { whole } from "./journal.js";

/** How many heartbeats, steps of an upgrade and breaches are remembered of a session. */
const BEATS = 40;
const STEPS = 60;
/** How many steps are a handshake's, if no upgrade comes. */
const HANDSHAKE = 8;
const BREACHES = 50;

export class Session {
  entries = new Queue();
  sid;
  revision;
  address;
  agent;
  began;
  /** When it was closed, and why. */
  closed;
  reason;
  ended = false;
  /** `{transport, began}`, the newest last. */
  transports = [];
  /** The steps from the handshake to the upgrade: the dance. */
  steps = [];
  /** `none`, `probing`, `upgraded` or `dropped`. */
  upgrade = "none";
  pingInterval;
  pingTimeout;
  /** `{ping, pong, by}`: when each was sent, and the time by which the answer is due. */
  beats = [];
  /** Per namespace `{socket, rooms}`, and when and why it was left: with the rooms that it was in then. */
  namespaces = new Map();
  breaches = [];
  limits = [];
  /** How often the application said what it did. */
  notes = 0;
  sent = { in: 0, out: 0 };
  /** Whether Socket.IO is spoken on top of Engine.IO, or neither is: a plain WebSocket has frames alone. */
  socketio = false;
  plain = false;
  /** How many records it was made of. */
  changes = 0;

  constructor(number, time) {
    this.number = number;
    this.began = time;
  }

  get transport() {
    return this.transports.at(-1)?.transport;
  }

  /** The namespaces that it is in. */
  get joined() {
    return [...this.namespaces].filter(([, { left }]) => left === undefined).map(([nsp]) => nsp);
  }

  /** Whether all of these words are in what it is known by. */
  isKnownBy(words) {
    const places = [...this.namespaces].flatMap(([nsp, { socket, rooms }]) => [nsp, socket, ...rooms]);
    const known = [`#${this.number}`, this.sid, this.address, this.agent, this.reason, ...places].join("\n").toLowerCase();
    return words.every((word) => known.includes(word));
  }

  get live() {
    return this.closed === undefined && !this.ended;
  }

  /** Takes what one of its records says; `record` is the whole of `entry`. */
  take(entry, record) {
    this.entries.push(entry);
    this.changes += 1;
    switch (entry.kind) {
      case "request":
        this.#request(entry, record);
        break;
      case "response":
        if (entry.type === "101") this.#step(entry);
        break;
      case "opened":
        this.sid = String(record.sid);
        this.revision = record.revision;
        this.began = entry.time;
        this.transports.push({ transport: record.transport, began: entry.time });
        break;
      case "plain_opened":
        this.plain = true;
        this.began = entry.time;
        this.transports.push({ transport: "websocket", began: entry.time });
        break;
      case "plain_ended":
        this.closed = entry.time;
        this.ended = true;
        this.reason = `${record.code} ${record.reason ?? ""}`.trim();
        break;
      case "frame":
        if (this.plain && entry.direction) this.sent[entry.direction] += 1;
        break;
      case "probe_opened":
        this.upgrade = "probing";
        break;
      case "probe_dropped":
        this.upgrade = "dropped";
        this.#step(entry);
        break;
      case "upgraded":
        this.upgrade = "upgraded";
        this.transports.push({ transport: "websocket", began: entry.time });
        this.#step(entry);
        break;
      case "closed":
        this.closed = entry.time;
        this.reason = String(record.reason);
        break;
      case "ended":
        this.ended = true;
        this.closed ??= entry.time;
        break;
      case "packet":
        this.#packet(entry, record);
        break;
      case "socket_packet":
        this.socketio = true;
        break;
      case "violation":
        if (this.breaches.length < BREACHES) this.breaches.push(entry);
        break;
      case "note":
        this.notes += 1;
        break;
      case "limit":
        if (this.limits.length < BREACHES) this.limits.push(entry);
        break;
      default:
        this.#place(entry, record);
    }
  }

  /** The request that opened it, which came before the session had a number. */
  takeOpening(entry) {
    const record = whole(entry);
    this.address = record.address;
    this.agent = record.headers?.find(([name]) => name.toLowerCase() === "user-agent")?.[1];
    this.entries.push(entry);
    this.#step(entry);
  }

  #request(entry, record) {
    this.address ??= record.address;
    const websocket = record.target.includes("transport=websocket");
    if (websocket || (this.upgrade === "probing" && record.method === "GET")) this.#step(entry);
  }

  #packet(entry, record) {
    if (entry.direction) this.sent[entry.direction] += 1;
    if (entry.type === "open") this.#rules(record.raw);
    const probe = entry.carrier === "probe";
    if (!probe && (entry.type === "ping" || entry.type === "pong")) this.#beat(entry);
    const before = this.upgrade === "probing" || (this.upgrade === "none" && this.steps.length < HANDSHAKE);
    const flush = this.upgrade === "upgraded" && entry.direction === "out" && entry.type === "message" && this.steps.at(-1)?.kind === "upgraded";
    if (this.transports[0]?.transport === "polling" && (probe || before || flush)) this.#step(entry);
  }

  /** The heartbeat's rules, which the open packet tells the client too. */
  #rules(raw) {
    try {
      ({ pingInterval: this.pingInterval, pingTimeout: this.pingTimeout } = JSON.parse(raw.slice(1)));
    } catch {
      // A journal that somebody has edited: there is no heartbeat to draw then.
    }
  }

  #beat(entry) {
    const last = this.beats.at(-1);
    if (entry.type === "ping") {
      this.beats.push({ ping: entry.time, pong: undefined, by: entry.time + (this.pingTimeout ?? 0) });
      if (this.beats.length > BEATS) this.beats.shift();
    } else if (last && last.pong === undefined) {
      last.pong = entry.time;
    }
  }

  #step(entry) {
    if (this.steps.length < STEPS) this.steps.push(entry);
  }

  #place(entry, record) {
    const { nsp } = record;
    if (typeof nsp !== "string") return;
    const place = this.namespaces.get(nsp) ?? { rooms: new Set() };
    switch (entry.kind) {
      case "joined":
        this.socketio = true;
        Object.assign(place, { socket: record.socket, left: undefined, reason: undefined, rooms: new Set() });
        break;
      case "left":
        Object.assign(place, { left: entry.time, reason: record.reason });
        break;
      case "room_joined":
        place.rooms.add(record.room);
        break;
      case "room_left":
        place.rooms.delete(record.room);
        break;
      default:
        return;
    }
    this.namespaces.set(nsp, place);
  }
}
