// The chat page: what the server says goes into the conversations, what one does goes to the
// server. The events are those of the table in docs/guide/chat.md.

import { Client } from "./client.js";
import { Conversations } from "./conversations.js";
import { Wire } from "./wire.js";
import "./program.js";
import { question } from "./question.js";
import { closeSidebar } from "./sidebar.js";
import { entry, fill, initial, invitation, paint, place, status, words } from "./view.js";

const $ = (id) => document.getElementById(id);

// `/?polling` stays with long polling, to look at it in peace.
const client = new Client({ path: document.body.dataset.endpoint, upgrade: !new URLSearchParams(location.search).has("polling") });
const wire = new Wire($("records"), document.body.dataset.inspector);
const places = new Conversations();

let online = new Set();
let me = ""; // what the server calls this page
// Survives a reload of this tab, and so does a lost connection: name and rooms are asked for again.
const remembered = JSON.parse(sessionStorage.getItem("chat") ?? '{"name":"","rooms":[]}');
const remember = () => sessionStorage.setItem("chat", JSON.stringify(remembered));

// ── What the server says ─────────────────────────────────────────────────────────────────────

client.on("welcome", (welcome) => {
  me = welcome.you;
  online = new Set(welcome.online);
  if (remembered.name) takeName(remembered.name);
  for (const room of remembered.rooms) joinRoom(room);
  show();
});

client.on("online", ({ name, was }) => {
  const renamed = online.delete(was);
  online.add(name);
  places.rename(was, name);
  if (was === me) me = name;
  else note(places.open("everyone"), renamed ? `${was} is now called ${name}` : `${name} is online`);
  showSoon();
});

client.on("offline", ({ name }) => {
  online.delete(name);
  note(places.open("everyone"), `${name} left`);
  // After a lost connection the old one may hold the name for a while yet.
  if (name === remembered.name && name !== me) takeName(name);
  showSoon();
});

client.on("message", ({ from, text }) => hear(places.open("everyone"), from, text));
client.on("direct", ({ from, text }) => hear(places.open("direct", from), from, text));

client.on("room", ({ room, from, text }) => {
  const conversation = places.find("room", room);
  if (conversation) hear(conversation, from, text);
});

client.on("joined", ({ room, name }) => {
  const conversation = places.find("room", room);
  if (!conversation) return;
  conversation.members.add(name);
  note(conversation, `${name} joined`);
  showSoon();
});

client.on("left", ({ room, name }) => {
  const conversation = places.find("room", room);
  if (!conversation) return;
  conversation.members.delete(name);
  note(conversation, `${name} left`);
  showSoon();
});

function hear(conversation, from, text) {
  add(conversation, { kind: "text", from, text, at: new Date(), own: false });
}

function note(conversation, text) {
  add(conversation, { kind: "note", text });
}

// ── What one does ────────────────────────────────────────────────────────────────────────────

/** Resolves to what went wrong, in words, or to nothing. */
async function ask(event, ...values) {
  try {
    const answer = await client.call(event, ...values);
    return { answer, error: answer.ok ? undefined : answer.message };
  } catch (error) {
    return { error: `Not sent: ${error.message}.` };
  }
}

async function takeName(name) {
  const { answer, error } = await ask("name", name);
  if (error) return error;
  me = answer.name;
  remembered.name = answer.name;
  remember();
  show();
}

async function joinRoom(name) {
  const { answer, error } = await ask("join", name);
  if (error) return { error };
  const conversation = places.open("room", answer.room);
  conversation.members = new Set(answer.members);
  if (!remembered.rooms.includes(answer.room)) remembered.rooms.push(answer.room);
  remember();
  show();
  return { conversation };
}

async function enterRoom(name) {
  const { conversation, error } = await joinRoom(name);
  if (error) return error;
  go(conversation);
}

async function leaveRoom(conversation) {
  await ask("leave", conversation.name);
  remembered.rooms = remembered.rooms.filter((room) => room !== conversation.name);
  remember();
  places.close(conversation);
  go(places.open("everyone"));
}

async function write(conversation, text) {
  const item = { kind: "text", from: me, text, at: new Date(), own: true };
  add(conversation, item);
  await deliver(conversation, item);
}

/** A message stands on the page at once, and is pale until the server has it. */
async function deliver(conversation, item) {
  mark(item, "sending");
  const { error } = await {
    everyone: () => ask("message", item.text),
    room: () => ask("room", conversation.name, item.text),
    direct: () => ask("direct", conversation.name, item.text),
  }[conversation.kind]();
  mark(item, error ? "failed" : "sent", error);
}

// ── The page: conversations ──────────────────────────────────────────────────────────────────

const scroll = $("scroll");
const wide = matchMedia("(min-width: 46.01rem)");
const elements = new WeakMap(); // of entries that are drawn

const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
let ended = true; // until somebody scrolls away from the end
const toEnd = () => {
  scroll.scrollTop = scroll.scrollHeight;
  ended = true;
};

function add(conversation, item) {
  const seen = conversation === places.current && document.hasFocus() && (item.own || atEnd());
  places.add(conversation, item, seen);
  showSoon();
  if (conversation !== places.current) return;
  const follow = item.own || atEnd();
  const log = $("log");
  $("empty").hidden = true;
  log.append(draw(item, conversation.entries.at(-2)));
  if (log.childElementCount > conversation.entries.length) log.firstElementChild.remove();
  if (follow) toEnd();
}

function draw(item, previous) {
  const element = entry(item, previous, { room: enterRoom, retry });
  elements.set(item, element);
  return element;
}

/** A message of one's own is on its way, has arrived, or has not. */
function mark(item, state, error) {
  Object.assign(item, { state, error });
  const element = elements.get(item);
  if (!element?.isConnected) return;
  const { entries } = places.current;
  const follow = atEnd();
  element.replaceWith(draw(item, entries[entries.indexOf(item) - 1]));
  if (follow) toEnd();
}

const retry = (item) => deliver(places.current, item);

/** Draws the conversation that one has come to, without having all of it read out. */
function redraw({ entries }) {
  const log = $("log");
  log.ariaLive = "off";
  log.replaceChildren(...entries.map((item, i) => draw(item, entries[i - 1])));
  requestAnimationFrame(() => (log.ariaLive = "polite"));
  toEnd();
}

function go(conversation) {
  places.current.draft = $("text").value;
  places.current = conversation;
  $("text").value = conversation.draft;
  fit();
  conversation.unread = 0;
  redraw(conversation);
  closeSidebar();
  show();
  if (wide.matches) $("text").focus(); // elsewhere that would bring up the keyboard of a phone
}

function seen() {
  if (document.hasFocus() && places.current.unread && atEnd()) {
    places.current.unread = 0;
    show();
  }
}

let due;

/** `show` after what comes in, at most sixty times a second. */
function showSoon() {
  due ??= setTimeout(show, 16);
}

/** Everything but the messages. */
function show() {
  clearTimeout(due);
  due = undefined;
  const { current } = places;
  const row = (conversation, more) => place({
    ...conversation,
    current: conversation === current,
    onclick: () => go(conversation),
    ...more,
  });
  fill($("everyone"), [row(places.open("everyone"), { label: "Everyone" })]);

  const rooms = places.of("room").sort((a, b) => a.name.localeCompare(b.name));
  fill($("rooms"), rooms.map((room) => row(room)));
  $("no-rooms").hidden = rooms.length > 0;

  const gone = places.of("direct").filter(({ name }) => !online.has(name));
  fill($("guests"), gone.map((direct) => row(direct)));
  $("guests-block").hidden = gone.length === 0;

  const people = [...online].sort((a, b) => (b === me) - (a === me) || a.localeCompare(b));
  fill($("people"), people.map((name) => {
    const known = places.find("direct", name) ?? { kind: "direct", name };
    return place({
      ...known,
      name,
      here: true,
      you: name === me,
      current: known === current,
      onclick: () => go(places.open("direct", name)),
    });
  }));
  $("people-count").textContent = people.length || "";
  $("no-people").hidden = people.length > 0;

  const named = online.has(me);
  $("me-name").textContent = me || "…";
  $("me-hint").textContent = !client.connected ? "Not connected" : named ? "Online" : "Guest · take a name";
  $("me-avatar").textContent = initial(me);
  paint($("me-avatar"), me);
  $("as-guest").hidden = named || !me;
  $("guest-handle").textContent = me;

  const [title, subtitle, placeholder] = words(current, online);
  $("title").textContent = title;
  $("subtitle").textContent = subtitle;
  $("text").placeholder = placeholder;
  $("text-label").textContent = placeholder;
  $("leave").hidden = current.kind !== "room";
  $("send").disabled = !$("text").value.trim();

  $("empty").hidden = current.entries.length > 0;
  [$("empty-title").textContent, $("empty-text").textContent] = invitation(current);

  const elsewhere = places.unreadElsewhere();
  $("unread-elsewhere").hidden = elsewhere === 0;
  $("unread-elsewhere").textContent = elsewhere;
  $("newer").hidden = current.unread === 0 || atEnd();
  const unread = places.unread();
  document.title = `${unread ? `(${unread}) ` : ""}${title} · socketio-server`;
}

// ── The page: writing ────────────────────────────────────────────────────────────────────────

function fit() {
  const text = $("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  // For that moment the conversation had more room, and the browser scrolled it back.
  if (ended) toEnd();
  $("send").disabled = !text.value.trim();
}

$("text").addEventListener("input", fit);
window.addEventListener("resize", fit);
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  fit();
  write(places.current, text);
});

$("leave").onclick = () => leaveRoom(places.current);
$("newer").onclick = () => {
  toEnd();
  seen();
  $("text").focus();
};
// A window that becomes smaller scrolls by itself; so does a phone whose keyboard comes up. Whoever was at the end stays there.
let size = "";
const sizeNow = () => `${scroll.clientWidth} ${scroll.clientHeight}`;
scroll.addEventListener("scroll", () => {
  if (size === sizeNow()) ended = atEnd();
  seen();
});
new ResizeObserver(() => {
  size = sizeNow();
  if (ended) toEnd();
}).observe(scroll);
window.addEventListener("focus", seen);

// ── The page: questions ──────────────────────────────────────────────────────────────────────

const askName = () => question({
  title: "What is your name?",
  text: "With a name, you are on the list of people online, and others can write to you directly.",
  label: "Your name",
  value: remembered.name,
  ok: "Go online",
  answer: takeName,
});

$("me").onclick = askName;
$("take-name").onclick = askName;
$("join-room").onclick = () => question({
  title: "Join a room",
  text: "People who join the same name are in the same room. If the room doesn't exist, it is created.",
  label: "Room",
  value: "",
  ok: "Join",
  answer: enterRoom,
});

// ── The page: the connection ─────────────────────────────────────────────────────────────────

client.onstate = (state) => {
  $("status").textContent = status(state);
  $("dot").className = `dot ${state.name}`;
  $("connect").hidden = state.name !== "closed" && state.name !== "waiting";
  document.body.classList.toggle("away", !client.connected);
  show();
};
client.onping = () => {
  // A heartbeat is seen; starting the animation again takes a turn of the layout.
  $("dot").classList.remove("beat");
  void $("dot").offsetWidth;
  $("dot").classList.add("beat");
};
client.onwire = (...record) => wire.add(...record);
$("connect").onclick = () => client.connect();
window.addEventListener("online", () => client.connected || client.connect());

$("show-wire").onclick = () => {
  const shown = $("wire").hidden;
  const follow = atEnd();
  $("wire").hidden = !shown;
  $("show-wire").ariaExpanded = String(shown);
  $("show-wire").textContent = shown ? "Hide the wire" : "Show the wire";
  wire.show(shown);
  if (follow) toEnd();
};

show();
client.connect();
if (wide.matches) $("text").focus();
