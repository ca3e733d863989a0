"""Starts the server under test, reads its address from its output, and ends it."""

import asyncio
import atexit
import contextlib
import os
import pathlib
import re
import signal

REFERENCE = pathlib.Path(__file__).parent.parent / "reference.mjs"
PROGRAM = os.environ.get("TESTED_SERVER", "reference")
IS_REFERENCE = PROGRAM == "reference"
COMMAND = ["node", str(REFERENCE)] if IS_REFERENCE else [PROGRAM]
PATIENCE = 30

# None outlives the tests, whatever became of the one that started it.
RUNNING = set()


@atexit.register
def kill_all():
    for pid in RUNNING:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Server:
    def __init__(self, *flags):
        self.flags = flags
        self.log = ""
        self.port = 0

    @classmethod
    async def start(cls, *flags):
        """Starts a server with these flags on a free port, and waits until it accepts clients."""
        server = cls(*flags)
        await server.restart()
        return server

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def restart(self):
        """Starts it once more, on the port that it had."""
        self.child = await asyncio.create_subprocess_exec(
            *COMMAND, "--app", "echo", "--listen", f"127.0.0.1:{self.port}", *self.flags,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )
        RUNNING.add(self.child.pid)
        address = asyncio.get_running_loop().create_future()
        self.reading = asyncio.create_task(self._read(address))
        self.port = await asyncio.wait_for(address, PATIENCE)

    async def drain(self):
        """Closes it as an operator would: it tells its clients and exits."""
        code = await self._end(signal.SIGTERM)
        assert code == 0, f"SIGTERM ended the server with {code}, not 0"

    async def kill(self):
        """Ends it without a word to anybody."""
        if self.child.returncode is None:
            await self._end(signal.SIGKILL)

    async def _end(self, how):
        self.child.send_signal(how)
        try:
            code = await asyncio.wait_for(self.child.wait(), PATIENCE)
        except asyncio.TimeoutError:
            self.child.kill()
            raise
        RUNNING.discard(self.child.pid)
        await self.reading
        return code

    async def _read(self, address):
        async for line in self.child.stdout:
            self.log += line.decode(errors="replace")
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line.decode(errors="replace"))
            if found and not address.done():
                address.set_result(int(found.group(1)))
        if not address.done():
            address.set_exception(RuntimeError("it ended before it gave its address:\n" + self.log))
