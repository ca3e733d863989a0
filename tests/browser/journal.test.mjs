// What the inspector makes of a journal, without a browser: records in, sessions out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HEAD, Script, upgrading } from "./journals.mjs";
import { files } from "./page-files.mjs";

const page = (name) => import(new URL(name, files));
const { elements, parts } = await page("bytes.js");
const { EVERYTHING, filter } = await page("filter.js");
const { bytesOf, readHead } = await page("journal.js");
const { Model } = await page("model.js");
const { Queue } = await page("queue.js");
const { Lines, fields } = await page("source.js");
const { verdict } = await page("heartbeat.js");

function model(lines, limits) {
  const model = new Model(limits);
  for (const line of lines) model.add(line);
  return model;
}

test("a session is made of its records: transports, steps, namespaces, why it ended", () => {
  const session = model([HEAD, ...upgrading(1).lines]).sessions.get(1);
  assert.deepEqual(session.transports.map(({ transport }) => transport), ["polling", "websocket"]);
  assert.deepEqual(session.steps.map(({ kind, type }) => (kind === "packet" ? type : kind)), [
    "request", "open", "message", "message", "request", "response", "request", "ping", "pong", "noop", "upgrade", "upgraded", "message",
  ]);
  assert.equal(session.upgrade, "upgraded");
  assert.equal(session.address, "127.0.0.1:50001", "of the request that opened it");
  assert.deepEqual([session.pingInterval, session.pingTimeout], [25000, 20000]);
  assert.equal(session.namespaces.get("/").reason, "transport close");
  assert.deepEqual([session.live, session.reason], [false, "transport close"]);
  assert.equal(session.beats.length, 0, "2probe and 3probe are no heartbeat");
});

test("the request that opens a session is found with it", () => {
  const entries = [...model([HEAD, ...upgrading(1).lines]).entries];
  assert.equal(entries[0].type, "GET");
  assert.equal(entries[0].session, 1);
});

test("a packet is found with what it came out of and what came out of it", () => {
  const found = model([HEAD, ...upgrading(1).lines]);
  const event = [...found.entries].find(({ type }) => type === "event");
  assert.deepEqual(found.sources(event).map(({ kind }) => kind), ["request", "frame", "packet"]);
  const packet = found.find(event.from);
  assert.deepEqual(packet.children, [event]);
});

test("a record that came out of itself, or of a later one, came out of none", () => {
  const round = model([HEAD, '{"n":1,"time":0,"kind":"body","from":1}', '{"n":2,"time":0,"kind":"body","from":3}', '{"n":3,"time":0,"kind":"body","from":2}']);
  assert.deepEqual([1, 2, 3].map((n) => round.sources(round.find(n)).length), [0, 0, 1]);
});

test("heartbeats are answered, late, awaited or missed", () => {
  const script = new Script(1).open({ transport: "websocket", pingInterval: 300, pingTimeout: 200 });
  script.at(300).packet("out", "2", "ping").at(310).packet("in", "3", "pong").at(610).packet("out", "2", "ping");
  const { beats } = model([HEAD, ...script.lines]).sessions.get(1);
  assert.deepEqual(beats.map((beat) => verdict(beat, 700)), ["answered", "waiting"]);
  assert.deepEqual(beats.map((beat) => verdict(beat, 900)), ["answered", "missed"]);
  assert.equal(verdict({ ping: 0, pong: 300, by: 200 }, 900), "late");
});

test("rooms are joined and left", () => {
  const script = new Script(1).open({ transport: "websocket" });
  const note = (kind, more) => script.add({ kind, nsp: "/", socket: "s", ...more });
  note("joined");
  note("room_joined", { room: "tea" });
  note("room_joined", { room: "<b>" });
  note("room_left", { room: "tea" });
  const rooms = () => [...model([HEAD, ...script.lines]).sessions.get(1).namespaces.get("/").rooms];
  assert.deepEqual(rooms(), ["<b>"]);
  note("left", { reason: "client namespace disconnect" });
  note("joined");
  assert.deepEqual(rooms(), [], "who comes again is in none");
});

test("a plain WebSocket is a session of frames alone", () => {
  const script = new Script(1);
  const request = script.request("GET", "", { opens: true, target: "/ws" });
  script.add({ from: request, kind: "plain_opened" });
  script.add({ from: request, direction: "in", kind: "frame", opcode: "text", fin: true, raw: "40 hello" });
  script.add({ kind: "plain_ended", code: 1001, reason: "going" });
  const session = model([HEAD, ...script.lines]).sessions.get(1);
  assert.deepEqual([session.transport, session.live, session.reason, session.sent.in], ["websocket", false, "1001 going", 1]);
  assert.equal(session.entries.at(0).type, "GET", "the request that opened it belongs to it");
});

test("what is kept is bounded, by number and by size, and what had to go is counted", () => {
  const script = new Script(1).open({ transport: "websocket" });
  for (let i = 0; i < 1000; i++) script.packet("in", `42["m",${i}]`, "message");
  const lines = [HEAD, ...script.lines];
  const few = model(lines, { records: 100, characters: 1e9, sessions: 10 });
  assert.equal(few.entries.length, 100);
  assert.equal(few.fallen.records, script.lines.length - 100);
  assert.equal(few.sessions.get(1).entries.length, 100);
  assert.equal(few.sessions.get(1).pingInterval, 25000, "what is known of a session stays");
  const small = model(lines, { records: 1e9, characters: 10_000, sessions: 10 });
  assert.ok([...small.entries].reduce((sum, { line }) => sum + line.length, 0) <= 10_000);
  const sessions = Array.from({ length: 50 }, (_, index) => new Script(index + 1, 1 + index * 10).open({ transport: "websocket" }).lines).flat();
  const last = model([HEAD, ...sessions], { records: 1e9, characters: 1e9, sessions: 20 });
  assert.deepEqual([last.sessions.size, last.fallen.sessions, last.sessions.has(50)], [20, 30, true]);
});

test("a session that is over falls out with its last record", () => {
  const first = upgrading(1);
  const second = new Script(2, first.next).open({ transport: "websocket" });
  for (let i = 0; i < 200; i++) second.packet("in", "42", "message");
  const kept = model([HEAD, ...first.lines, ...second.lines], { records: 100, characters: 1e9, sessions: 10 });
  assert.deepEqual([...kept.sessions.keys()], [2]);
  assert.equal(kept.fallen.sessions, 1);
});

test("records that are missing are counted", () => {
  const line = (n, more = { kind: "limit", limit: "x" }) => JSON.stringify({ n, time: n, ...more });
  assert.equal(model([HEAD, line(1), line(2)]).missing, 0);
  assert.equal(model([HEAD, line(1), line(5)]).missing, 3);
  assert.equal(model([HEAD, line(1), line(4, { kind: "lost", records: 3 }), line(5)]).missing, 3);
  assert.equal(model([HEAD, line(500)]).missing, 0, "a page that comes late has not lost what was before");
});

test("a stream that begins again gives nothing twice", () => {
  const { lines } = upgrading(1);
  const twice = model([HEAD, ...lines.slice(0, 20)]);
  assert.equal(twice.resumes(HEAD), true);
  for (const line of lines) twice.add(line);
  assert.equal(twice.entries.length, lines.length);
  assert.equal(twice.missing, 0);
  assert.equal(twice.resumes(HEAD.replace(/"began":\d+/, '"began":5')), false, "another run's journal");
});

test("what is saved is what came", () => {
  const lines = [HEAD, ...upgrading(1).lines];
  assert.deepEqual([...model(lines).lines()], lines);
});

test("what is no journal is refused in words, and a line that is no record is left out", () => {
  assert.throws(() => readHead("hello"), /not a journal/);
  assert.throws(() => readHead('{"n":1}'), /not a journal/);
  assert.throws(() => readHead('{"journal":2}'), /version 2/);
  assert.throws(() => readHead('{"journal":1,"began":"then"}'), /when it began/);
  const torn = model([HEAD, ...upgrading(1).lines, '{"n":99,"ki', "null", '{"n":"1"}']);
  assert.equal(torn.unreadable, 3);
});

test("a record that somebody has edited is left out rather than stumbled over", () => {
  const edited = [
    '{"n":1,"time":"0","kind":"full"}',
    '{"n":1,"time":1e999,"kind":"full"}',
    '{"n":2,"time":0,"kind":"request","method":"GET"}',
    '{"n":3,"time":0,"kind":"request","method":"GET","target":"/","headers":[["a"]]}',
    '{"n":4,"time":0,"kind":"frame","opcode":"text","raw":{"base64":"?"}}',
    '{"n":5,"time":0,"kind":"frame","opcode":"text","raw":7}',
    '{"n":6,"time":0,"kind":"closed"}',
    '{"n":6,"time":0,"kind":"lost","records":{"toString":1}}',
  ];
  const read = model([HEAD, ...edited, '{"n":7,"time":0,"kind":"full"}']);
  assert.deepEqual([read.entries.length, read.unreadable], [1, edited.length]);
});

test("kinds of records that are not known here are kept", () => {
  const known = model([HEAD, '{"n":1,"time":1,"session":1,"kind":"something_new","nsp":7}']);
  assert.equal(known.entries.at(0).layer, "session");
});

test("a filter asks for session, layers, direction, type and words", () => {
  const script = new Script(1).open({ transport: "websocket" });
  script.packet("out", "2", "ping").packet("in", "3", "pong").event("in", '42["chat","Hello <b>"]').event("out", '42["chat","bye"]');
  const { entries } = model([HEAD, ...script.lines, ...new Script(2, script.next).open({ transport: "websocket" }).lines]);
  const found = (asked) => [...entries].filter(filter({ ...EVERYTHING, ...asked }));
  assert.equal(found({}).length, entries.length);
  assert.ok(found({ session: 2 }).every(({ session }) => session === 2));
  assert.deepEqual(found({ layers: new Set(["socketio"]) }).map(({ direction }) => direction), ["in", "out"]);
  assert.equal(found({ layers: new Set(["socketio"]), direction: "out" }).length, 1);
  assert.equal(found({ type: "pong" }).length, 1);
  assert.equal(found({ type: "no heartbeats", session: 1 }).length, found({ session: 1 }).length - 4, "two packets and their frames");
  assert.equal(found({ text: "hello", type: "event" }).length, 1, "in whatever case");
  assert.equal(found({ text: '["chat","bye"]', type: "event" }).length, 1, "quotes are escaped in the line");
  assert.equal(found({ text: "chat nothing" }).length, 0, "every word has to be there");
  assert.equal(found({ text: "[" , type: "event" }).length, 2, "a word is no pattern");
});

const explained = (text, form, options) => parts(new TextEncoder().encode(text), form, options).map(({ start, end, means }) => `${start}-${end} ${means}`);

test("each part of a packet is named", () => {
  assert.deepEqual(explained('451-/admin,12["picture",{"_placeholder":true,"num":0}]', "packet"), [
    "0-1 Engine.IO message: the rest belongs to Socket.IO",
    "1-2 Socket.IO BINARY_EVENT: an event with attachments",
    "2-4 1 attachment follows in its own message",
    "4-11 the namespace /admin",
    "11-13 id 12: the sender waits for an answer",
    "13-54 payload: the event's name and its arguments",
    "14-23 the event's name",
    "24-53 attachment 0 goes here",
  ]);
  assert.deepEqual(explained("2probe", "packet").map((part) => part.slice(0, 20)), ["0-1 Engine.IO ping: ", "1-6 “probe”: a test "]);
  assert.deepEqual(explained("4hello", "packet", { socketio: false }), ["0-1 Engine.IO message: the rest belongs to Socket.IO", "1-6 the message"]);
  assert.match(explained('42["chat","hi"', "packet").at(-1), /should be JSON/);
  assert.match(explained("9", "packet")[0], /no packet begins/);
  assert.match(explained("", "packet")[0], /type is missing/);
});

test("offsets count bytes, not characters", () => {
  assert.deepEqual(explained('42["é🙂","x"]', "packet").slice(-2), ["3-11 the event's name", "12-15 argument 1: a string"]);
});

test("payloads are taken apart as their revision writes them", () => {
  const starts = (list) => list.map((part) => part.split(" ")[0]);
  assert.deepEqual(starts(explained("40\x1e2\x1ebAQID", "payload")), ["0-1", "1-2", "2-3", "3-4", "4-5", "5-6", "6-10"]);
  assert.deepEqual(starts(explained("2:401:2", "payload", { revision: 3 })), ["0-2", "2-3", "3-4", "4-6", "6-7"]);
  assert.deepEqual(starts(explained("10:b4AQID/w==", "payload", { revision: 3 })), ["0-3", "3-5", "5-13"]);
  const binary = Uint8Array.from([1, 3, 255, 4, 1, 2, 0, 1, 255, 50]);
  assert.deepEqual(parts(binary, "payload", { revision: 3 }).map(({ start, end }) => [start, end]), [[0, 3], [3, 6]].concat([[6, 9], [9, 10]]));
});

test("the elements of an array are found whatever is in them", () => {
  const json = '[ "a,]\\"" , [1,{"b":"]"}],{"c":[2]}, null ,-1.5]';
  const values = JSON.parse(json);
  assert.deepEqual(elements(json, 10).map(([start, end]) => JSON.parse(json.slice(start, end))), values);
  assert.deepEqual(elements("[]", 10), []);
  assert.equal(elements("[1,2,3]", 2).length, 2);
});

test("bytes are text or base64", () => {
  assert.deepEqual([...bytesOf({ raw: "é" })], [0xc3, 0xa9]);
  assert.deepEqual([...bytesOf({ raw: { base64: "AQID/w==" } })], [1, 2, 3, 255]);
  assert.equal(bytesOf({}), undefined);
});

test("lines and events come in pieces", () => {
  const lines = new Lines();
  assert.deepEqual(lines.push("data: a\r\nda"), ["data: a"]);
  const rest = lines.push("ta:b\nid: 7-2\n:\n\ndata: {\"journal\"");
  assert.deepEqual([fields("data", rest), fields("id", rest), lines.end()], [["b"], ["7-2"], ['data: {"journal"']]);
});

test("a queue lets go of what is shifted", () => {
  const queue = new Queue();
  for (let i = 0; i < 5000; i++) queue.push(i);
  for (let i = 0; i < 4000; i++) assert.equal(queue.shift(), i);
  assert.deepEqual([queue.length, queue.at(0), queue.last(), queue.at(1000)], [1000, 4000, 4999, undefined]);
  assert.equal(queue.search((item) => item >= 4500), 500);
  assert.equal(queue.search(() => false), 1000);
});
