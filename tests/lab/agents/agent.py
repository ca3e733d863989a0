"""The agent of python-socketio, 4 and 5: agent.py asyncio|threads [QUERY]."""
import asyncio, contextlib, importlib.metadata, inspect, itertools, json, os, sys, threading, urllib.parse, urllib.request
import socketio

STYLE, QUERY, VERSION = sys.argv[1], "".join(sys.argv[2:]), importlib.metadata.version("python-socketio")
EIO, LACKS = (4, "") if VERSION[0] == "5" else (3, ",auth-function,msgpack")
NEXT = f"/next?agent=python-socketio%20{VERSION}%20{STYLE}&eio={EIO}&lacks=buffer,multiplex,recovery,retries,volatile,ack-timeout{LACKS}{QUERY}"

def http(path, body=None):
    with urllib.request.urlopen(os.environ["LAB"] + path, body and json.dumps(body, default=repr).encode()) as answer: return json.load(answer)

async def done(result):
    return await result if inspect.isawaitable(result) else result
def finish(coroutine):  # In threads, nothing in it has to wait.
    try: coroutine.send(None)
    except StopIteration as end: return end.value

def handler(function):
    async def awaited(*args): return await done(function(*args))
    return awaited if STYLE == "asyncio" else lambda *args: finish(awaited(*args))

async def begin(task):
    options, nsp, numbers = task["options"], task["namespace"], itertools.count(1)
    client = (socketio.AsyncClient if STYLE == "asyncio" else socketio.Client)(
        reconnection=options["reconnection"], reconnection_attempts=options.get("reconnectionAttempts", 0),
        reconnection_delay=options.get("reconnectionDelay", 1000) / 1000, reconnection_delay_max=options.get("reconnectionDelayMax", 5000) / 1000,
        request_timeout=options["timeout"] / 1000, randomization_factor=options.get("randomizationFactor", 0.5), **({"serializer": options.get("parser", "default")} if EIO == 4 else {}))
    auth = (lambda: {"n": next(numbers)}) if options.get("auth") == "function" else options.get("auth")
    saw = lambda what, *args: http("/saw", {"run": task["run"], "saw": what, "args": args}) and None
    emit = lambda name, *args, **more: client.emit(name, args, namespace=nsp, **more)
    on = lambda name, function: client.on(name, handler(function), namespace=nsp)
    on("connect", lambda: saw("connect", nsp, client.get_sid(nsp) if EIO == 4 else None))
    on("connect_error", lambda *args: saw("connect_error", *([args[0].get("message"), args[0].get("data")] if args and isinstance(args[0], dict) else args)))
    on("disconnect", lambda *reason: saw("disconnect", *reason))
    on("echo", lambda *args: emit("echo", *args))
    on("ack", lambda *args: args)
    on("do", lambda command, *args: act(command, *args))
    for name in options.get("on", []): on(name, lambda *args, name=name: saw("event", name, *args))
    async def act(command, *args):
        if command == "emit": await done(emit(*args))
        elif command == "emit-binary": await done(emit(args[0], bytes(n % 256 for n in range(args[1]))))
        elif command == "emit-ack": await done(emit(*args[1:], callback=handler(lambda *answer: saw("ack", args[1], *answer))))
        elif command == "emit-ack-binary": await act("emit-ack", *args[:2], bytes(range(args[2])))
        elif command == "disconnect" and not args: await done(client.disconnect())
        elif command == "later" and STYLE == "asyncio": asyncio.get_running_loop().call_later(args[0] / 1000, lambda: asyncio.ensure_future(act(*args[1:])))
        elif command == "later": threading.Timer(args[0] / 1000, finish, [act(*args[1:])]).start()
        else: saw("unsupported", command)
    try:
        await done(client.connect(task["url"] + "/?" + urllib.parse.urlencode(options.get("query", {})), headers=options.get("extraHeaders", {}), namespaces=[nsp],
            transports=options["transports"], socketio_path=options["path"].strip("/"), **({"wait": False, "retry": options["reconnection"], "auth": auth} if EIO == 4 else {})))
        for command in task["do"]: await act(*command)
    except Exception as error: saw("connect_error", str(error))
    return client

async def main():
    while (task := await done(asyncio.to_thread(http, NEXT) if STYLE == "asyncio" else http(NEXT))).get("run"):
        with contextlib.suppress(Exception): await done(client.disconnect())
        client = await begin(task)
    os._exit(0)
asyncio.run(main()) if STYLE == "asyncio" else finish(main())
