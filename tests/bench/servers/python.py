"""python-socketio on uvicorn, with uvloop, httptools and websockets."""

import socket
import sys

import socketio
import uvicorn

io = socketio.AsyncServer(async_mode="asgi")


def application(namespace):
    async def connect(sid, _):
        await io.enter_room(sid, "all", namespace=namespace)

    async def message(sid, *args):
        await io.emit("message-back", args, to=sid, namespace=namespace)

    async def message_with_ack(_, *args):
        return args

    async def broadcast(_, *args):
        await io.emit("bcast", args, room="all", namespace=namespace)

    async def join(sid, room):
        await io.enter_room(sid, room, namespace=namespace)
        return ()

    async def to_room(_, room, *args):
        await io.emit("bcast", args, room=room, namespace=namespace)

    for name, handler in {
        "connect": connect,
        "message": message,
        "message-with-ack": message_with_ack,
        "broadcast": broadcast,
        "join": join,
        "to-room": to_room,
    }.items():
        io.on(name, handler, namespace=namespace)


for name in ["/", *(f"/ns-{number}" for number in range(10))]:
    application(name)

host, port = sys.argv[1].split(":")
listener = socket.create_server((host, int(port)), backlog=1024)
print(f"listening on http://{host}:{listener.getsockname()[1]}/", flush=True)
# Engine.IO has heartbeats of its own: those of uvicorn would come on top.
config = uvicorn.Config(
    socketio.ASGIApp(io), log_level="critical", access_log=False, ws_ping_interval=None, ws_per_message_deflate=False
)
uvicorn.Server(config).run(sockets=[listener])
