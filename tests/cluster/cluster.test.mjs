// A server of ours and one of socket.io in one cluster, in each mode, both ways. A is theirs, B is ours; each has two
// clients. `MODES=classic` runs one mode alone.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Redis, expectEvents, listened, ours, theirs, together, until } from "./cluster.mjs";

const modes = (process.env.MODES ?? "classic,sharded,streams").split(",");

for (const mode of modes) {
  describe(mode, () => {
    let redis, A, B, a1, a2, b1, b2, all;

    before(async () => {
      redis = await Redis.start();
      // Where an error is thrown in a subscriber, ioredis lets it through.
      [A, B] = await Promise.all([theirs(redis, mode, { client: "ioredis" }), ours(redis, mode)]);
      await together(A, B);
      all = [a1, a2, b1, b2] = await Promise.all([A.client(), A.client(), B.client(), B.client()]);
    });

    after(async () => {
      assert.deepEqual(A.uncaught, [], "nothing that B wrote made A throw");
      await Promise.all([A, B].map((node) => node.stop()));
      await redis.kill();
    });

    // proves: features/adapters
    test("a broadcast reaches all clients once, in order, both ways", async () => {
      const args = [1, "x", { a: [1.5, null, true] }, "\u2028 🦀", 2 ** 40, -1, 2 ** 53, -(2 ** 40), []];
      for (const node of [A, B]) {
        await node.emit("first", args);
        await node.emit("second");
        await expectEvents(all, all.map(() => [["first", ...args], ["second"]]));
      }
    });

    // proves: features/adapters
    test("bytes stay bytes, both ways", async () => {
      await A.emit("e", [{ $bytes: [1, 2, 3] }, { nested: { $array: [4, 5] } }, { $bytes: [] }]);
      await B.emit("e", [{ $bytes: [1, 2, 3] }, { nested: { $bytes: [4, 5] } }, { $bytes: [] }]);
      const event = ["e", Buffer.from([1, 2, 3]), { nested: Buffer.from([4, 5]) }, Buffer.from([])];
      await expectEvents(all, all.map(() => [event, event]));
      await A.emit("e", [{ $buffer: [1, 2] }]);
      const lost = mode === "streams" ? {} : Buffer.from([1, 2]);
      await expectEvents([b1, b2], [[["e", lost]], [["e", lost]]]);
      a1.received.length = a2.received.length = 0;
    });

    test("what JSON has no word for arrives as socket.io's own text", async () => {
      const values = [{ $undefined: 1 }, { $date: 0 }, { $number: "NaN" }, { $number: "Infinity" }, { a: { $date: 86_400_000.0 } }];
      await A.emit("e", values);
      const event = ["e", null, "1970-01-01T00:00:00.000Z", null, null, { a: "1970-01-02T00:00:00.000Z" }];
      await expectEvents(all, all.map(() => [event]));
    });

    // proves: features/adapters
    test("rooms, exceptions, ids, and odd names", async () => {
      for (const [client, room] of [[b1, "r"], [a1, "r"], [a1, "q"]]) await client.emitWithAck("join", room);
      if (mode === "sharded") await listened(redis, ["r"], 2);
      await A.emit("1", [], { rooms: ["r"] });
      await B.emit("2", [], { rooms: ["r", "q"], except: [a1.id] });
      await B.emit("3", [], { rooms: [a1.id] });
      await A.emit("4", [], { rooms: [b2.id] });
      await A.do("broadcast from", { socket: a1.id, event: ["5"] });
      await B.do("broadcast from", { socket: b1.id, event: ["6"] });
      await expectEvents(all, [[["1"], ["3"], ["6"]], [["5"], ["6"]], [["1"], ["2"], ["5"]], [["4"], ["5"], ["6"]]]);
      for (const room of ["a#b", "ö", "exactly 20 character", "*", "[x]", "#", "7"]) {
        await Promise.all([a2.emitWithAck("join", room), b2.emitWithAck("join", room)]);
        if (mode === "sharded") await listened(redis, [room], 2);
        await A.emit("A", [room], { rooms: [room] });
        await B.emit("B", [room], { rooms: [room] });
        await expectEvents([a2, b2], [[["A", room], ["B", room]], [["A", room], ["B", room]]], { more: 20 });
      }
      // In JavaScript, a room that is named by a number is another one; here it is the same.
      await A.emit("number", [], { rooms: [7] });
      await expectEvents([a2, b2], [[], [["number"]]]);
    });

    test("what is local stays, and Redis sees nothing of it", async () => {
      const monitor = await redis.monitor();
      const sends = () => monitor.names.filter((name) => ["PUBLISH", "SPUBLISH", "XADD"].includes(name)).length;
      await A.emit("e", ["A"], { local: true });
      await B.emit("e", ["B"], { local: true });
      await expectEvents(all, [[["e", "A"]], [["e", "A"]], [["e", "B"]], [["e", "B"]]]);
      assert.equal(sends(), 0, monitor.names.join(" "));
      await B.emit("e", ["all"]);
      await expectEvents(all, all.map(() => [["e", "all"]]));
      assert.equal(sends(), 1, monitor.names.join(" "));
      monitor.close();
    });

    test("a volatile event is lost to a client of the other server that doesn't read, and others are not", async () => {
      for (const [from, to] of [[A, B], [B, A]]) {
        const [client, other] = await Promise.all([to.client(), to.client()]);
        client.io.engine.transport.ws._socket.pause();
        const text = "x".repeat(100_000);
        for (let n = 0; n < 80; n++) await from.emit("volatile", [n, text], { rooms: [client.id], volatile: true });
        await from.emit("next", [], { rooms: [client.id, other.id] });
        await until("the other server has sent it", () => other.received.some(([name]) => name === "next"));
        client.io.engine.transport.ws._socket.resume();
        await until("it arrives", () => client.received.some(([name]) => name === "next"));
        const came = client.received.filter(([name]) => name === "volatile").length;
        assert.ok(came < 80, `${came} volatile events`);
        [client, other].forEach((socket) => socket.disconnect());
      }
    });

    test("clients of both servers acknowledge", async () => {
      for (const [at, client] of all.entries()) {
        client.on("q", (x, done) => done({ at, x, bytes: Buffer.from([at]) }, "a second argument is not sent on"));
        client.on("nothing", (done) => done());
      }
      const json = (at) => ({ at, x: 5, bytes: { type: "Buffer", data: [at] } });
      for (const node of [A, B]) {
        const { answers, failed = 0, silent = 0, error } = await node.do("ack", { event: ["q", 5], timeout: 20_000 });
        assert.equal(error, undefined);
        // Ours tells all arguments of its own clients.
        const firsts = answers.map((answer) => (Array.isArray(answer) ? answer[0] : answer));
        assert.deepEqual(firsts.sort((a, b) => a.at - b.at), [0, 1, 2, 3].map(json));
        assert.deepEqual([failed, silent], [0, 0]);
        const nothing = await node.do("ack", { event: ["nothing"], timeout: 20_000 });
        assert.equal(nothing.error, undefined);
        assert.equal(nothing.answers.length, 4);
        const before = Date.now();
        const nobody = await node.do("ack", { event: ["q", 5], rooms: ["nobody"], timeout: 20_000 });
        assert.deepEqual(nobody.answers, []);
        assert.ok(Date.now() - before < 10_000, "nobody is waited for");
      }
      all.forEach((client) => client.off("q").off("nothing"));
      all.forEach((client) => client.received.splice(0));
    });

    test("a client that does not acknowledge is waited for until the time is over", async () => {
      for (const client of [a1, a2, b1]) client.on("q", (done) => done(1));
      const theirs = await A.do("ack", { event: ["q"], timeout: 2000 });
      assert.match(theirs.error, /timed out/);
      assert.deepEqual(theirs.answers, [1, 1, 1]);
      const ours = await B.do("ack", { event: ["q"], timeout: 2000 });
      assert.deepEqual([ours.answers.length, ours.failed, ours.silent], [3, 1, 0]);
      await until("nothing stays in the tables", async () => (await B.do("counts")).acks === 0);
      all.forEach((client) => client.off("q") && client.received.splice(0));
    });

    test("sockets are fetched with all that is known of them", async () => {
      const ids = all.map((client) => client.id).sort();
      for (const client of [a1, b1]) await client.emitWithAck("join", "fetched");
      await A.do("set data", { socket: a1.id, value: { name: "a", bytes: { $bytes: [1] } } });
      await B.do("set data", { socket: b1.id, value: { name: "b" } });
      await A.do("join number", { socket: a1.id, value: 42 });
      const [fromA, fromB] = await Promise.all([A.do("fetch"), B.do("fetch")]);
      for (const { sockets, error } of [fromA, fromB]) {
        assert.ok(!error, error);
        assert.deepEqual(sockets.map((socket) => socket.id).sort(), ids);
      }
      const [ofA, ofB] = await Promise.all([A, B].map((node) => node.do("fetch", { rooms: ["fetched"] })));
      assert.deepEqual([ofA, ofB].map(({ sockets }) => sockets.length), [2, 2]);
      const b = ofA.sockets.find((socket) => socket.id === b1.id);
      assert.equal(b.rooms[0], b1.id);
      assert.ok(b.rooms.includes("fetched"));
      assert.deepEqual(b.data, { value: { name: "b" } });
      const fields = ["address", "auth", "headers", "issued", "query", "secure", "time", "url", "xdomain"];
      assert.deepEqual(Object.keys(b.handshake).sort(), fields);
      assert.equal(b.handshake.address, "127.0.0.1");
      const a = ofB.sockets.find((socket) => socket.id === a1.id);
      assert.ok(a.rooms.includes("fetched") && a.rooms.includes("42"), JSON.stringify(a.rooms));
      assert.deepEqual(a.data, { value: { name: "a", bytes: { type: "Buffer", data: [1] } } });
      assert.ok(a.handshake.time.includes("GMT") && a.handshake.issued > 1.7e12 && !a.here);
    });

    test("servers send events to each other", async () => {
      const value = { name: "pong" };
      for (const node of [A, B]) await node.do("handle server side", { event: ["ping"], value });
      await A.do("server side", { event: ["ping", 1, "a"] });
      await B.do("server side", { event: ["ping", 2, { b: [1] }] });
      const heard = async (node) => (await node.do("heard"))[0];
      assert.deepEqual(await until("B hears A", () => heard(B)), [1, "a"]);
      assert.deepEqual(await until("A hears B", () => heard(A)), [2, { b: [1] }]);
      assert.deepEqual((await A.do("server side with ack", { event: ["ping"] })).answers, [value]);
      assert.deepEqual((await B.do("server side with ack", { event: ["ping"] })).answers, [[value]]);
      assert.deepEqual([await A.do("heard"), await B.do("heard")], [[[]], [[]]], "not to itself");
    });

    // It takes five seconds, and is the same on our side in each mode.
    if (mode === "classic") {
      test("a server without a handler does not answer", async () => {
        const [theirs, ours] = await Promise.all([A, B].map((node) => node.do("server side with ack", { event: ["nobody"] })));
        assert.match(theirs.error, /timeout/i);
        assert.ok(theirs.took > 4700, `${theirs.took} ms`);
        assert.deepEqual(ours, { answers: [], silent: 1 });
      });
    }

    test("sockets of the other server join and leave, and are put out behind what was sent to them", async () => {
      await B.do("join", { rooms: [a1.id], join: ["j1", "j2"] });
      await B.emit("B", [], { rooms: ["j1"] });
      await A.do("join", { rooms: [b1.id], join: ["j3"] });
      await A.emit("A", [], { rooms: ["j3"] });
      // With sharded pub/sub, A sends to a channel that B may not have subscribed to yet.
      for (const node of [A, B]) await node.emit("behind it");
      await until("all is there", () => all.every((client) => client.received.filter(([name]) => name === "behind it").length === 2));
      const [onA, , onB] = all.map((client) => client.received.splice(0).filter(([name]) => name !== "behind it"));
      assert.deepEqual(onA, [["B"]]);
      assert.ok(onB.length === 1 || (mode === "sharded" && onB.length === 0), JSON.stringify(onB));
      // What B sends right after it had A's socket join arrives, though A listens to the room's channel only later.
      const rooms = [...Array(20).keys()].map((n) => `at once ${n}`);
      await Promise.all(rooms.flatMap((room) => [B.do("join", { rooms: [a1.id], join: [room] }), B.emit("at once", [room], { rooms: [room] })]));
      await expectEvents(all, [rooms.map((room) => ["at once", room])]);
      await B.do("leave", { rooms: [a1.id], join: ["j1"] });
      await A.do("leave", { rooms: [b1.id], join: ["j3"] });
      const left = async (node) => (await node.do("fetch", { rooms: ["j1", "j3"] })).sockets.length === 0;
      for (const node of [A, B]) await until("they have left", () => left(node));
      await B.emit("left", [], { rooms: ["j1", "j3"] });
      await A.emit("left", [], { rooms: ["j1", "j3"] });
      await expectEvents(all, []);
      for (const [from, to] of [[A, B], [B, A]]) {
        const client = await to.client();
        const ended = new Promise((resolve) => client.on("disconnect", resolve));
        await from.emit("last", [], { rooms: [client.id] });
        await from.do("disconnect", { rooms: [client.id], close: false });
        assert.equal(await ended, "io server disconnect");
        assert.deepEqual(client.received, [["last"]]);
      }
    });

    // proves: features/adapters
    test("servers are counted by namespace, and again when Redis has cut their connections", async () => {
      await A.do("open", { nsp: "/n" });
      assert.equal(await A.do("servers", { nsp: "/n" }), 1);
      const { took } = await A.do("fetch", { nsp: "/n" });
      assert.ok(took < 4000, `nobody is waited for, and it took ${took} ms`);
      await B.do("open", { nsp: "/n" });
      await until("B is counted", async () => (await A.do("servers", { nsp: "/n" })) === 2);
      await B.do("close namespace", { nsp: "/n" });
      await until("B is not counted", async () => (await A.do("servers", { nsp: "/n" })) === 1);
      const gaps = (await B.do("counts")).gaps;
      await redis.client.sendCommand(["CLIENT", "KILL", "TYPE", "pubsub"]);
      await until("B is back", async () => (await B.do("counts")).gaps > gaps && (await A.do("servers")) === 2);
      for (let n = 0; n < 10; n++) assert.ok((await A.do("servers")) <= 2);
      await together(A, B);
    });

    test("namespaces that clients bring into being", async () => {
      const [a, b] = await Promise.all([A.client("/dynamic-1"), B.client("/dynamic-1")]);
      await until("both count", async () => (await A.do("servers", { nsp: "/dynamic-1" })) === 2);
      await A.emit("A", [], { nsp: "/dynamic-1" });
      await B.emit("B", [{ $bytes: [1] }], { nsp: "/dynamic-1" });
      const events = [["A"], ["B", Buffer.from([1])]];
      await expectEvents([a, b, a1, b1], [events, events]);
      b.disconnect();
      await until("it is let go with its last client", async () => (await A.do("servers", { nsp: "/dynamic-1" })) === 1);
      a.disconnect();
    });
  });
}
