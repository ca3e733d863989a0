// The agent of socket.io-client, versions 1.7 to 4.8: node agent.mjs VERSION [QUERY]. A page imports `test` instead.
export async function test(lab, io, version, query = "", msgpack) {
  const [eio, lacks] = version < "3" ? [3, "auth-function,ack-timeout,recovery,retries,volatile"] : [4, version < "4" ? "ack-timeout,recovery,retries" : ""];
  const next = `${lab}/next?agent=${encodeURIComponent(`socket.io-client ${version}`)}&eio=${eio}&lacks=${lacks}${msgpack ? "" : ",msgpack"}${query}`;
  for (let client; ; ) {
    const task = await (await fetch(next)).json();
    client?.end();
    if (task.done) return;
    client = begin(lab, io, task, msgpack);
    globalThis.process?.removeAllListeners("uncaughtException").on("uncaughtException", client.crash);
  }
}

function begin(lab, io, { run, url, namespace, options, do: first }, msgpack) {
  let told = Promise.resolve(), asked = 0;
  const saw = (what, ...args) => {
    const body = JSON.stringify({ run, saw: what, args: args.map((arg) => arg ?? null) });
    told = told.then(() => fetch(`${lab}/saw`, { method: "POST", body })).catch(() => {});
  };
  const auth = options.auth === "function" ? (send) => send({ n: ++asked }) : options.auth;
  const manager = new io.Manager(url, { ...options, auth, forceNew: true, parser: options.parser && msgpack }), sockets = new Map();
  const bytes = (length) => Uint8Array.from({ length }, (_, n) => n).buffer;
  const commands = {
    emit: (socket, ...args) => socket.emit(...args),
    volatile: (socket, ...args) => socket.volatile.emit(...args),
    "emit-binary": (socket, name, length) => socket.emit(name, bytes(length)),
    "emit-ack": (socket, time, name, ...args) => socket.timeout
      ? socket.timeout(time).emit(name, ...args, (error, ...answer) => error ? saw("ack_timeout", name) : saw("ack", name, ...answer))
      : socket.emit(name, ...args, (...answer) => saw("ack", name, ...answer)),
    "emit-ack-binary": (socket, time, name, length) => commands["emit-ack"](socket, time, name, bytes(length)),
    connect: (_, nsp) => join(nsp),
    disconnect: (socket, nsp) => (sockets.get(nsp) ?? socket).disconnect(),
    "emit-and-disconnect": (socket, ...args) => socket.emit(...args).disconnect(),
    "disconnect-and-connect": (socket, time) => setTimeout(() => socket.connect(), time, socket.disconnect()),
    later: (socket, time, ...command) => setTimeout(act, time, socket, command),
  };
  const act = (socket, [command, ...args]) => commands[command] ? commands[command](socket, ...args) : saw("unsupported", command);
  function join(nsp) {
    if (sockets.has(nsp)) return sockets.get(nsp).connect();
    const socket = manager.socket(nsp, { ...options, auth });
    sockets.set(nsp, socket);
    socket.on("connect", () => saw("connect", nsp, socket.id, socket.recovered));
    socket.on("disconnect", (reason) => saw("disconnect", reason));
    for (const event of ["connect_error", "error"]) socket.on(event, (error) => error && saw("connect_error", error.message ?? error, error.data));
    for (const name of options.on ?? []) socket.on(name, (...args) => saw("event", name, ...args));
    socket.on("echo", (...args) => socket.emit("echo", ...args));
    socket.on("ack", (...args) => typeof args.at(-1) === "function" && args.pop()(...args));
    socket.on("do", (...command) => act(socket, command));
    return socket;
  }
  const socket = join(namespace);
  for (const command of first) act(socket, command);
  return { end: () => sockets.forEach((socket) => socket.disconnect()), crash: (error) => saw("crash", String(error)) };
}

if (globalThis.process?.argv[2]) {
  const [version, query] = process.argv.slice(2);
  await test(process.env.LAB, (await import(`socket.io-client-${version[0]}`)).default, version, query, version < "3" ? undefined : await import("socket.io-msgpack-parser"));
  process.exit(0);
}
