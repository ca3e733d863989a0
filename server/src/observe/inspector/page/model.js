// A journal that is bounded: records come in, the oldest fall out, and sessions are made of what is there.

import { Queue } from "./queue.js";
import { readHead, readRecord } from "./journal.js";
import { Session } from "./session.js";

export class Model {
  head;
  /** The records, oldest first. */
  entries = new Queue();
  /** By number, in the order in which they began. */
  sessions = new Map();
  /** What was there and had to go. */
  fallen = { records: 0, sessions: 0 };
  full = false;
  /** How many lines were no records. */
  unreadable = 0;
  #limits;
  #characters = 0;
  #first;
  #highest = 0;
  #taken = 0;
  /** What comes again behind a lost connection has at most this number. */
  #known = 0;

  /** Keeps at most so many records, of so many characters together, and so many sessions. */
  constructor({ records = 100_000, characters = 64_000_000, sessions = 5_000 } = {}) {
    this.#limits = { records, characters, sessions };
  }

  /** The time of the newest record. */
  get end() {
    return this.entries.last()?.time ?? 0;
  }

  /** How many records are missing between the first and the newest. */
  get missing() {
    return this.#first === undefined ? 0 : this.#highest - this.#first + 1 - this.#taken;
  }

  /** Whether `line` is the head of this same journal, which comes again; then it goes on with what is new. */
  resumes(line) {
    const { began, by } = readHead(line);
    if (this.head?.began !== began || this.head.by !== by) return false;
    this.#known = this.#highest;
    return true;
  }

  /** Takes the next line; the first is the journal's head. Gives the new entry, if it is one. */
  add(line) {
    if (line === "") return undefined;
    if (this.head === undefined) {
      this.head = readHead(line);
      this.headLine = line;
      return undefined;
    }
    const read = readRecord(line);
    if (!read) {
      this.unreadable += 1;
      return undefined;
    }
    const { entry, record } = read;
    if (entry.n <= this.#known) return undefined;
    this.#first ??= entry.n;
    this.#highest = Math.max(this.#highest, entry.n);
    // One that says how many were lost stands in the place of the last of them.
    if (entry.kind !== "lost") this.#taken += 1;
    this.#take(entry, record);
    this.#bound();
    return entry;
  }

  /** The record of that number, if it is still there. */
  find(n) {
    const index = this.entries.search((entry) => entry.n >= n);
    const entry = this.entries.at(index);
    return entry?.n === n ? entry : undefined;
  }

  /** The record that it came out of, if that is still there. It came before. */
  source(entry) {
    return entry.from < entry.n ? this.find(entry.from) : undefined;
  }

  /** The records that it came out of, outermost first. */
  sources(entry) {
    const sources = [];
    for (let next = entry; (next = this.source(next)); ) sources.unshift(next);
    return sources;
  }

  /** The lines of the journal, as they came. */
  *lines() {
    yield this.headLine;
    for (const entry of this.entries) yield entry.line;
  }

  #take(entry, record) {
    this.entries.push(entry);
    this.#characters += entry.line.length;
    if (entry.kind === "full") this.full = true;
    const source = this.source(entry);
    // Frames would be too many to hang on their handshake.
    if (source && entry.kind !== "frame") (source.children ??= []).push(entry);
    if (entry.session === undefined) entry.session = source?.session;
    if (entry.session === undefined) return;
    let session = this.sessions.get(entry.session);
    if (!session) {
      session = new Session(entry.session, entry.time);
      this.sessions.set(entry.session, session);
    }
    if ((entry.kind === "opened" || entry.kind === "plain_opened") && source?.session === undefined) this.#opening(session, source);
    session.take(entry, record);
  }

  /** The request that opens a session, and its answer by then, belong to it. */
  #opening(session, request) {
    if (!request) return;
    for (const entry of [request, ...(request.children ?? [])]) {
      if (entry.session !== undefined) continue;
      entry.session = session.number;
      if (entry === request) session.takeOpening(entry);
      else session.entries.push(entry);
    }
  }

  #bound() {
    const { records, characters, sessions } = this.#limits;
    while (this.entries.length > records || this.#characters > characters) {
      const entry = this.entries.shift();
      this.#characters -= entry.line.length;
      this.fallen.records += 1;
      const session = this.sessions.get(entry.session);
      if (session?.entries.at(0) === entry) session.entries.shift();
      if (session?.ended && session.entries.length === 0) this.#forget(session);
    }
    if (this.sessions.size > sessions) {
      // The oldest that is over; if none is, the oldest.
      const all = [...this.sessions.values()];
      this.#forget(all.find((session) => !session.live) ?? all[0]);
    }
  }

  #forget(session) {
    this.sessions.delete(session.number);
    this.fallen.sessions += 1;
  }
}
