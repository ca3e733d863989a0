"""The echo application of docs/guide/check.md on python-socketio and aiohttp. It prints the address that it listens on."""
import asyncio

import socketio
from aiohttp import web

# The answer to CONNECT goes before what the application emits.
sio = socketio.AsyncServer(async_mode="aiohttp", namespaces=["/", "/custom"], always_connect=True)
app = web.Application()
sio.attach(app)


def echo(name):
    @sio.on("connect", namespace=name)
    async def connect(sid, environ, auth):
        await sio.emit("auth", auth or {}, to=sid, namespace=name)

    @sio.on("message", namespace=name)
    async def message(sid, *args):
        await sio.emit("message-back", args, to=sid, namespace=name)

    @sio.on("message-with-ack", namespace=name)
    async def message_with_ack(sid, *args):
        return args


async def main():
    for name in ("/", "/custom"):
        echo(name)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print("http://127.0.0.1:%d" % site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
