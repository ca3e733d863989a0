// That a talk would see what must not happen: here by a client that has it happen.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { check } from "../check.mjs";

/** A client whose server is `serve(n, bytes, say)`: it is called with each event, and says `say(n, bytes)` back. */
function client(serve, acknowledge = (answer, n) => answer(null, n)) {
  const events = new EventEmitter();
  const say = (n, bytes) => events.emit("message-back", n, bytes);
  const socket = {
    connected: true,
    io: { engine: {} },
    on: (name, listener) => events.on(name, listener),
    emit: (_, n, bytes) => setImmediate(serve, n, bytes, say),
    timeout: () => ({ emit: (_, n, answer) => setImmediate(acknowledge, answer, n) }),
  };
  return { socket };
}

const echo = (n, bytes, say) => say(n, bytes);

const wrongs = {
  "an event that comes twice": [client((n, bytes, say) => [1, n === 9 && 2].forEach((one) => one && say(n, bytes))), /nothing arrives twice/],
  "an event that overtakes another": [client((n, bytes, say) => (n === 9 ? setTimeout(say, 20, n, bytes) : say(n, bytes))), /a prefix of what was sent/],
  "an event that is lost before others": [client((n, bytes, say) => n === 9 || say(n, bytes)), /a prefix of what was sent/],
  "the attachment of another event": [client((n, bytes, say) => say(n, n === 7 ? Buffer.from("attachment 14") : bytes)), /its own attachment/],
  "an acknowledgement that comes twice": [client(echo, (answer, n) => [1, 2].forEach(() => answer(null, n))), /comes once/],
  "the acknowledgement of another event": [client(echo, (answer, n) => answer(null, n === 10 ? 15 : n)), /acknowledgement/],
};

for (const [wrong, [liar, message]] of Object.entries(wrongs)) {
  check(`the checks see ${wrong}`, async (stage) => {
    const talk = stage.talk(liar);
    await talk.goesOn(30);
    await assert.rejects(talk.end(), message);
  });
}

check("the checks see that not all came back without a disconnect", async (stage) => {
  const talk = stage.talk(client((n, bytes, say) => n === 5 || say(n, bytes)));
  await talk.goesOn(20);
  await assert.rejects(talk.end({ lossless: true, patience: 100 }), /all that was sent/);
});

check("the checks see nothing wrong where nothing is", async (stage) => {
  const talk = stage.talk(client(echo));
  await talk.goesOn(30);
  await talk.end({ lossless: true });
});
