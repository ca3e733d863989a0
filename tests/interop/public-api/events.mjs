// What a test waits for.

import { within } from "../js/client.mjs";

/** The arguments of the next event of that name. */
export const next = (socket, event) => within(new Promise((resolve) => socket.once(event, (...args) => resolve(args))), event);

/** All arguments of the answer to an event. */
export const call = (socket, event, ...args) =>
  within(
    new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer))),
    `the answer to ${event}`,
  );
