"""python python/run.py [PART OF A SCENARIO'S NAME], in the environment of the version to test."""

import asyncio
import os
import sys
import time
import traceback
from functools import partial

import socketio

from client import MAJOR, MODES, VERSION, Client
from scenarios import SCENARIOS
from server import Server

LIMIT = 20
# With more failures, it isn't chance.
FEW = 4


class Stage:
    """What a scenario works with; what it opens is closed for it."""

    def __init__(self, style, mode, server):
        self.style = style
        self.mode = mode
        self.server = server
        self.clients = []
        self.servers = []

    def open(self, *namespaces, **options):
        client = Client(self.style, self.mode, namespaces, **options)
        self.clients.append(client)
        return client

    async def connect(self, *namespaces, server=None, auth=None, query=None, **options):
        client = self.open(*namespaces, **options)
        await client.connect(self._url(server, query), auth=auth)
        return client

    async def refused(self, client, auth=None, query=None):
        """Connects a client of whose namespaces one is refused."""
        try:
            await client.connect(self._url(None, query), auth=auth, refused=True)
            assert MAJOR == 4, "it was not refused"
        except socketio.exceptions.ConnectionError:
            assert MAJOR == 5

    async def serve(self, *flags):
        server = await Server.start(*flags)
        self.servers.append(server)
        return server

    async def clear(self):
        for client in self.clients:
            await client.close()
        for server in self.servers:
            await server.kill()

    def _url(self, server, query):
        return (server or self.server).url + (f"?{query}" if query else "")


def say(text):
    # In one write, newline and all: the other version's tests print to the same place.
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def perform(name, run, style, mode, server, failure):
    """Runs a scenario and says how it ended, by `failure` where it failed."""
    stage = Stage(style, mode, server)
    logged = len(stage.server.log)
    start = time.monotonic()
    try:
        await asyncio.wait_for(run(stage), LIMIT)
        say(f"ok   {name} ({(time.monotonic() - start) * 1000:.0f} ms)")
        return True
    except Exception:
        log = stage.server.log[logged:] + "".join(server.log for server in stage.servers)
        report = f"{traceback.format_exc()}--- the server's log ---\n{log or '(nothing)'}\n"
        for client in stage.clients:
            report += f"--- a client's log, its last lines ---\n{client.log[-2000:]}"
        report = "".join(f"\n     {line}" for line in report.splitlines())
        say(f"{failure} {name} ({(time.monotonic() - start) * 1000:.0f} ms){report}")
        return False
    finally:
        await stage.clear()


async def main(part=""):
    # The clients leave their HTTP sessions to the garbage collector, which complains.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    server = await Server.start()
    failed = []
    for style in ("asyncio", "threads"):
        for mode in MODES:
            for run, skip in SCENARIOS:
                name = f"python-socketio {VERSION} {style}, {mode}: {run.__name__.replace('_', ' ')}"
                if part not in name:
                    continue
                if reason := skip(style, mode):
                    say(f"skip {name}: {reason}")
                else:
                    again = partial(perform, name, run, style, mode, server)
                    if not await again("fails"):
                        failed.append((name, again))
    # As tests/node-tests.mjs does it: a few may have failed since the machine was busy.
    few = len(failed) <= FEW
    passed = [name for name, again in failed if few and await again("FAIL")]
    if "UNSTEADY" in os.environ:
        with open(os.environ["UNSTEADY"], "a") as unsteady:
            unsteady.writelines(f"{name}\n" for name in passed)
    if not few:
        for name, _ in failed:
            say(f"FAIL {name} (not tried again)")
    await server.kill()
    return 0 if len(passed) == len(failed) else 1


# A thread of the client, once started, runs until it waits: so its messages are handled in the order they came.
sys.setswitchinterval(0.1)
sys.exit(asyncio.run(main(*sys.argv[1:])))
