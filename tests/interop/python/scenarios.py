"""What each Python client does in each mode."""

import asyncio
import os

import engineio

from client import MAJOR

SCENARIOS = []

# Version 4 makes None of an attachment without bytes.
NO_BYTES = b"" if MAJOR == 5 else b"\0"

EIGHT_KINDS = ["hello", "", 0, -1.5, True, None, [], {"a": {"b": [1, "2"]}}]
UNICODE = ["ÄÖÜ ß éè", "русский עברית", "汉字 かな 한국어", "🦀 🏳️‍🌈 \U0010ffff", "\" \\ \0 \x1e \u2028"]
NESTED = {"photo": bytes([0, 1, 127, 128, 255]), "list": [1, "déjà vu".encode(), {"deeper": [NO_BYTES, None]}], "text": "b4AQ"}


def scenario(run=None, *, skip=lambda style, mode: None):
    """Declares a test. `skip` says why a style and mode does not run it, if so."""
    if run is None:
        return lambda run: scenario(run, skip=skip)
    SCENARIOS.append((run, skip))
    return run


def same(got, expected):
    assert got == expected, f"\ngot      {got!r:.500}\nexpected {expected!r:.500}"


def refusal_of(message, data):
    return {"message": message, "data": data} if MAJOR == 5 else data


async def watching(stage, server=None):
    """A second client that is told when others leave."""
    watcher = await stage.connect("/test", server=server)
    await watcher.call("join", "watch", namespace="/test")
    return watcher


@scenario
async def text(stage):
    client = await stage.connect("/")
    same(await client.echo(*EIGHT_KINDS), EIGHT_KINDS)
    same(await client.echo(), [])


@scenario
async def unicode(stage):
    client = await stage.connect("/")
    same(await client.echo(*UNICODE), UNICODE)
    same(await client.echo({"ключ 🔑": UNICODE}), [{"ключ 🔑": UNICODE}])


@scenario
async def nested_binary(stage):
    client = await stage.connect("/")
    same(await client.echo("with", NESTED, "text 🦀"), ["with", NESTED, "text 🦀"])


@scenario
async def ten_attachments(stage):
    client = await stage.connect("/")
    ten = [NO_BYTES] + [bytes([i]) * i * 100 for i in range(1, 10)]
    same(await client.echo(ten), [ten])


@scenario
async def the_servers_ack(stage):
    client = await stage.connect("/")
    same(await client.call("message-with-ack", 1, "🦀", {"a": None}), [1, "🦀", {"a": None}])
    same(await client.call("message-with-ack"), [])
    same(await client.call("message-with-ack", NESTED, "x"), [NESTED, "x"])


@scenario
async def the_clients_ack(stage):
    client = await stage.connect("/test")
    client.on("question", lambda *args: tuple(reversed(args)), namespace="/test")
    same(await client.call("ask", 1, "🦀", {"a": None}, namespace="/test"), [{"a": None}, "🦀", 1])
    same(await client.call("ask", namespace="/test"), [])
    same(await client.call("ask", "x", NESTED, namespace="/test"), [NESTED, "x"])


@scenario
async def auth(stage):
    token = {"token": "ab c&d=é🦀"}
    if MAJOR == 5:
        client = await stage.connect("/", "/custom", auth=token)
        same(await client.next("auth", "/"), [token])
    else:
        # In revision 3 the namespace's query is what comes with a CONNECT, and there is none to `/`.
        client = await stage.connect("/custom?token=ab%20c%26d%3D%C3%A9%F0%9F%A6%80")
        same(await client.next("auth", "/"), [{}])
    same(await client.next("auth", "/custom"), [token])


@scenario
async def no_auth(stage):
    client = await stage.connect("/custom")
    same(await client.next("auth", "/custom"), [{}])


@scenario
async def the_handshake(stage):
    client = await stage.connect("/test", query="color=red")
    [handshake] = await client.call("handshake", namespace="/test")
    assert handshake["query"]["color"] == "red"
    assert handshake["query"]["EIO"] == ("4" if MAJOR == 5 else "3")
    if MAJOR == 5:
        assert handshake["id"] == client.io.get_sid("/test")


@scenario
async def a_refusal_by_a_middleware(stage):
    client = stage.open("/custom", "/test")
    if MAJOR == 5:
        await stage.refused(client, auth={"token": "bad"})
    else:
        await stage.refused(client, query="token=bad")
    same(await client.next("connect_error", "/test"), [refusal_of("refused", {"code": 7})])


@scenario
async def an_unknown_namespace(stage):
    client = stage.open("/nope", "/custom")
    await stage.refused(client)
    [error] = await client.next("connect_error", "/nope")
    assert error == {"message": "Invalid namespace"}, error
    # Version 5 gives up where one namespace is refused.
    if MAJOR == 4:
        await client.next("connect", "/custom")
        same(await client.echo("here", namespace="/custom"), ["here"])


@scenario
async def two_namespaces_in_one_session(stage):
    client = await stage.connect("/", "/custom")
    await client.emit("message", "to the root")
    await client.emit("message", "to custom", b"x", namespace="/custom")
    same(await client.next("message-back", "/"), ["to the root"])
    same(await client.next("message-back", "/custom"), ["to custom", b"x"])
    same(await client.call("message-with-ack", "r"), ["r"])
    same(await client.call("message-with-ack", "c", namespace="/custom"), ["c"])


@scenario
async def rooms(stage):
    a, b, c = [await stage.connect("/test") for _ in range(3)]
    same(await a.call("join", "red", namespace="/test"), [["red"]])
    same(await b.call("join", "red", namespace="/test"), [["red"]])
    same(await b.call("join", "blue", namespace="/test"), [["blue", "red"]])

    async def sent(sender, event, *args):
        await sender.emit(event, *args, namespace="/test")
        # What was emitted to each before its ack has arrived with it.
        for client in (sender, a, b, c):
            await client.call("handshake", namespace="/test")
        return [[await client.next("room", "/test") for _ in range(client.waiting("room", "/test"))] for client in (a, b, c)]

    same(await sent(a, "to-room", "red", 1), [[], [[1]], []])
    same(await sent(a, "in-room", "red", 2), [[[2]], [[2]], []])
    same(await sent(c, "to-room", "red", b"3"), [[[b"3"]], [[b"3"]], []])
    same(await sent(a, "except-room", "blue", 4), [[], [], [[4]]])
    same(await sent(a, "others", 5), [[], [[5]], [[5]]])
    same(await b.call("leave", "red", namespace="/test"), [["blue"]])
    same(await sent(a, "in-room", "red", 6), [[[6]], [], []])


@scenario
async def a_broadcast_the_sender_included(stage):
    server = await stage.serve()
    a, b = [await stage.connect("/", server=server) for _ in range(2)]
    await a.emit("broadcast", "to all", {"bytes": b"\0\xff"})
    for client in (a, b):
        same(await client.next("bcast"), ["to all", {"bytes": b"\0\xff"}])


@scenario
async def the_client_disconnects(stage):
    server = await stage.serve("--ping-interval", "500ms", "--ping-timeout", "500ms")
    watcher = await watching(stage, server)
    client = await stage.connect("/test", server=server)
    [handshake] = await client.call("handshake", namespace="/test")
    await client.call("join", "a room", namespace="/test")
    await client.disconnect()
    # Version 4 has no event for what it did itself, and says no reason for any other.
    if MAJOR == 5:
        same(await client.next("disconnect", "/test"), ["client disconnect"])
    left, reason, rooms = await watcher.next("left", "/test")
    assert (left, rooms) == (handshake["id"], ["a room"])
    # It queues a DISCONNECT and closes at once: which of them the server sees first is open. Where a POST is under way,
    # that may be cut off, or be the last one that the client makes, and the DISCONNECT is never sent.
    reasons = ["client namespace disconnect", "transport close", "transport error", "ping timeout"]
    assert reason in reasons, reason


@scenario
async def the_server_disconnects_a_namespace(stage):
    watcher = await watching(stage)
    client = await stage.connect("/test", "/custom")
    [handshake] = await client.call("handshake", namespace="/test")
    await client.emit("kick", False, namespace="/test")
    same(await client.next("disconnect", "/test"), (["server disconnect"] if MAJOR == 5 else []))
    same(await watcher.next("left", "/test"), [handshake["id"], "server namespace disconnect", []])
    same(await client.echo("still here", namespace="/custom"), ["still here"])


@scenario
async def the_server_disconnects_the_session(stage):
    watcher = await watching(stage)
    client = await stage.connect("/test", "/custom")
    [handshake] = await client.call("handshake", namespace="/test")
    await client.emit("kick", True, namespace="/test")
    # With threads, version 4 takes one namespace out of its list in one thread while another goes through it, and may pass
    # over the next.
    if MAJOR == 5 or not client.threads:
        for namespace in ("/test", "/custom"):
            same(await client.next("disconnect", namespace), ["server disconnect"] if MAJOR == 5 else [])
    same(await watcher.next("left", "/test"), [handshake["id"], "server namespace disconnect", []])


async def comes_back(stage, end):
    server = await stage.serve()
    client = await stage.connect("/custom", server=server, reconnection=True)
    same(await client.echo("before", namespace="/custom"), ["before"])
    await end(server)
    await client.next("disconnect", "/custom")
    while client.waiting("connect", "/custom"):
        await client.next("connect", "/custom")
    await server.restart()
    await client.next("connect", "/custom")
    same(await client.echo("after", namespace="/custom"), ["after"])


@scenario
async def the_server_is_killed_and_started_again(stage):
    await comes_back(stage, lambda server: server.kill())


@scenario(skip=lambda style, mode: mode == "polling" and "a CLOSE by polling is final for this client")
async def the_server_is_closed_and_started_again(stage):
    await comes_back(stage, lambda server: server.drain())


@scenario
async def bytes_of_text_990_000(stage):
    client = await stage.connect("/")
    same(await client.echo("0123456789" * 99_000), ["0123456789" * 99_000])


@scenario
async def bytes_of_binary_740_000(stage):
    client = await stage.connect("/")
    data = os.urandom(740_000)
    same(await client.echo(data), [data])


@scenario
async def more_where_5_000_000_bytes_are_allowed(stage):
    server = await stage.serve("--max-payload", "5000000")
    client = await stage.connect("/", server=server)
    data = os.urandom(3_700_000)
    same(await client.echo(data), [data])
    # Less text: aiohttp takes no WebSocket message over 4 MiB, and websocket-client looks at each byte in Python.
    same(await client.echo("0123456789" * 150_000), ["0123456789" * 150_000])


@scenario(skip=lambda style, mode: MAJOR == 4 and "the tasks of the first session get into the second")
async def connect_disconnect_connect_at_once(stage):
    client = stage.open("/")
    url = stage.server.url
    options = {"transports": {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}[stage.mode]}
    await client._call(client.io.connect, url, namespaces=["/"], **options, **({"wait": False} if MAJOR == 5 else {}))
    await client.disconnect()
    await client._call(client.io.connect, url, namespaces=["/"], **options)
    await client.next("connect")
    same(await client.echo("here"), ["here"])


@scenario
async def events_from_each_side_200(stage):
    # The Python client takes no payload of more than 16 packets, unless it is told to.
    engineio.payload.Payload.max_decode_packets = 500
    client = await stage.connect("/test")
    await client.call("join", "mine", namespace="/test")
    burst = asyncio.create_task(client.call("burst", 200, namespace="/test"))
    for i in range(200):
        await client.emit("in-room", "mine", i, namespace="/test")
    same(await burst, [200])
    await client.call("handshake", namespace="/test")
    for event in ("tick", "room"):
        got = await client.take(event, 200, "/test")
        # With threads each event has a thread of its own, and their order is anybody's guess.
        assert (sorted(got) if client.threads else got) == [[i] for i in range(200)]
        assert client.waiting(event, "/test") == 0


@scenario
async def heartbeats_keep_it_alive(stage):
    server = await stage.serve("--ping-interval", "300ms", "--ping-timeout", "2s")
    client = await stage.connect("/", server=server)
    for _ in range(3):
        await client.beat()
    same(await client.echo("alive"), ["alive"])
    assert client.waiting("disconnect") == 0
