"""One interface to python-socketio 4 and 5, asyncio and threads, as far as the scenarios see them."""

import asyncio
import importlib.metadata
import logging

import socketio

VERSION = importlib.metadata.version("python-socketio")
MAJOR = int(VERSION.split(".")[0])

MODES = {
    "polling": (["polling"], "polling"),
    "websocket": (["websocket"], "websocket"),
    "upgrade": (None, "websocket"),
}

EVENTS = ["auth", "message-back", "bcast", "room", "tick", "left", "connect", "disconnect", "connect_error"]
PATIENCE = 20


class Client:
    """A session with one or more namespaces. What arrives waits in a queue for each event and namespace."""

    def __init__(self, style, mode, namespaces=("/",), **options):
        self.mode = mode
        self.namespaces = list(namespaces)
        self.threads = style == "threads"
        self.loop = asyncio.get_running_loop()
        # All of them from the start: the client's threads look them up too.
        self.queues = {(event, name): asyncio.Queue() for event in EVENTS for name in self._connected_namespaces()}
        self.beats = asyncio.Queue()
        self.log = ""
        options = {
            "reconnection": False,
            "reconnection_delay": 0.05,
            "reconnection_delay_max": 0.1,
            "randomization_factor": 0,
            "engineio_logger": self._engine_logger(),
            **options,
        }
        if MAJOR == 4 and not self.threads:
            # Version 4 makes its events before it knows the loop.
            asyncio.set_event_loop(self.loop)
        self.io = (socketio.Client if self.threads else socketio.AsyncClient)(**options)
        for namespace in self._connected_namespaces():
            for event in EVENTS:
                self.io.on(event, self._putting(event, namespace), namespace=namespace)

    def on(self, event, handler, namespace="/"):
        """Registers a handler whose return value is its ack."""
        if self.threads:
            self.io.on(event, handler, namespace=namespace)
        else:
            async def later(*args):
                return handler(*args)

            self.io.on(event, later, namespace=namespace)

    async def connect(self, url, auth=None, refused=False):
        """Waits until every namespace is connected, or only until the server has answered where some are `refused`."""
        transports, ends = MODES[self.mode]
        options = {"transports": transports, "namespaces": self.namespaces}
        if MAJOR == 5:
            options |= {"auth": auth, "wait_timeout": PATIENCE}
        await self._call(self.io.connect, url, **options)
        if MAJOR == 4:
            # Version 4 does not wait for its namespaces.
            for namespace in () if refused else self._connected_namespaces():
                await self.next("connect", namespace)
        assert self.transport == ends, f"it is on {self.transport}"

    async def emit(self, event, *args, namespace="/"):
        await self._call(self.io.emit, event, args, namespace=namespace)

    async def call(self, event, *args, namespace="/"):
        """Emits the event and waits for its ack: the arguments of the ack."""
        answer = asyncio.Queue()
        await self._call(
            self.io.emit, event, args, namespace=namespace,
            callback=lambda *args: self.loop.call_soon_threadsafe(answer.put_nowait, list(args)),
        )
        return await self._within(answer.get(), f"the ack of {event}")

    async def echo(self, *args, namespace="/"):
        """Emits `message` and waits for what comes back."""
        await self.emit("message", *args, namespace=namespace)
        return await self.next("message-back", namespace)

    async def next(self, event, namespace="/"):
        """The arguments of the next `event` that arrives, or has arrived."""
        return await self._within(self.queues[event, namespace].get(), f"{event} in {namespace}")

    async def take(self, event, count, namespace="/"):
        return [await self.next(event, namespace) for _ in range(count)]

    def waiting(self, event, namespace="/"):
        """How many of that event have arrived and were not taken yet."""
        return self.queues[event, namespace].qsize()

    async def beat(self):
        """Waits for a whole beat of the session's heart."""
        await self._within(self.beats.get(), "a heartbeat")

    @property
    def transport(self):
        return self.io.transport()

    async def disconnect(self):
        await self._call(self.io.disconnect)

    async def close(self):
        """Ends it, whatever state it is in."""
        self.io.reconnection = False
        try:
            if self.io.eio.state == "connected":
                await asyncio.wait_for(self.disconnect(), 2)
        except Exception:
            pass

    def _connected_namespaces(self):
        # Revision 3 is always connected to `/`.
        names = {name.split("?")[0] for name in self.namespaces}
        return names | {"/"} if MAJOR == 4 else names

    async def _call(self, method, *args, **options):
        if self.threads:
            return await asyncio.to_thread(method, *args, **options)
        return await method(*args, **options)

    async def _within(self, awaitable, what):
        try:
            return await asyncio.wait_for(awaitable, PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(f"{what} did not come within {PATIENCE} s") from None

    def _putting(self, event, namespace):
        def put(*args):
            self.loop.call_soon_threadsafe(queue.put_nowait, list(args))

        queue = self.queues[event, namespace]
        return put

    def _engine_logger(self):
        # The engine tells nobody about heartbeats but its log.
        beat = "Sending packet PONG" if MAJOR == 5 else "Received packet PONG"

        class Lines(logging.Handler):
            def emit(_, record):
                line = record.getMessage()
                self.log += f"{line:.120}\n"
                if line.startswith(beat):
                    self.loop.call_soon_threadsafe(self.beats.put_nowait, None)

        logger = logging.Logger("engineio", logging.INFO)
        logger.addHandler(Lines())
        return logger
