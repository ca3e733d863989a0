"""What the bench's rows and figures mean, and the tables made of them."""

import json
import os
import platform
import re
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

PEERS = {
    "limit": "one epoll loop with canned answers: about what the machine allows",
    "raw": "bare tokio-tungstenite with canned answers, a flush for each message, and read buffers of 4 KiB",
    "http": "bare hyper with canned answers: what two requests cost",
    "floor": "the tasks, wakes and system calls of this design on tokio and hyper, with canned answers",
    "ours": "this repository's server",
    "socketioxide": "socketioxide on axum",
    "bun": "socket.io with `@socket.io/bun-engine` on Bun",
    "node": "socket.io on Node with ws",
    "python": "python-socketio on uvicorn, with uvloop, httptools and websockets",
}
# This repository's server while it is watched. They are measured if they are asked for.
WATCHED = {
    "traced": "with a journal into a file",
    "inspected": "with an inspector, and a page that reads all of it",
}
YARDSTICKS = ("limit", "raw", "http", "floor", *WATCHED)
REAL = ["ours", "socketioxide", "bun", "node", "python"]
BY_WEBSOCKET = ["limit", "raw", "floor", *REAL]
BROADCAST = ["limit", "floor", *REAL]
BY_POLLING = ["http", "floor", *REAL]
IN_CLUSTERS = ["ours", "node"]
# How many servers a row has that is about a cluster on Redis.
CLUSTERS = {
    "cluster-broadcast-1": 2,
    "cluster-broadcast-16": 2,
    "cluster-paced": 2,
    "cluster-rooms": 2,
    "cluster-rooms-alone": 1,
    "cluster-fetch": 3,
    "cluster-memory": 2,
}
# What the servers of a row are told.
OPTIONS = {
    "deflate-echo-4k": "--deflate",
    "deflate-broadcast-16": "--deflate",
    "deflate-memory-5000": "--deflate",
    "plain-echo-1": "--plain",
    "plain-echo-16": "--plain",
}
COMPRESSING = ["ours", "bun", "node"]
PLAIN = ["raw", "ours", "bun", "node"]
# Those with a backend that speaks HTTP.
GATEWAY = ("gateway-publish", "gateway-hooks", "gateway-ack")


@dataclass
class Line:
    """One line of the table: a figure of a row. Less is better unless said otherwise."""

    figure: str
    title: str
    # What it is to reach: over the yardstick, absolutely, or against the best peer.
    times_limit: float | None = None
    at_most: float | None = None
    times_best: float | None = None
    times_raw: float | None = None
    more_is_better: bool = False


# The rows as the load has them, who is measured, and the lines of the table that come of it.
ROWS = {
    "echo-1": (BY_WEBSOCKET, [
        Line("cpu_us", "echo, 100 clients, 1 in flight: CPU µs a message", times_limit=1.15),
        Line("p50_us", "… p50 µs"), Line("p99_us", "… p99 µs"), Line("p999_us", "… p99.9 µs"),
    ]),
    "echo-16": (BY_WEBSOCKET, [
        Line("cpu_us", "echo, 16 in flight: CPU µs a message", at_most=1.0, times_best=1 / 3),
        Line("messages_per_second", "… messages a second", more_is_better=True),
        Line("p50_us", "… p50 µs"), Line("p99_us", "… p99 µs"), Line("p999_us", "… p99.9 µs"),
        Line("p99_to_p50", "… p99 / p50", at_most=2),
    ]),
    "ack-4": (BY_WEBSOCKET, [Line("cpu_us", "event with ack, 4 in flight: CPU µs a message", at_most=2.2)]),
    "echo-4k": (BY_WEBSOCKET, [Line("cpu_us", "echo of 4 KiB, 4 in flight: CPU µs a message", at_most=6)]),
    "namespaces": (REAL, [Line("cpu_us", "echo in 10 namespaces, 4 in flight: CPU µs a message")]),
    "paced": (BY_WEBSOCKET, [
        Line("cpu_us", "echo, 20,000 messages a second: CPU µs a message"),
        Line("messages_per_second", "… answers a second", more_is_better=True),
        Line("p50_us", "… p50 µs"), Line("p99_us", "… p99 µs"), Line("p999_us", "… p99.9 µs"),
    ]),
    "echo-1000": (BY_WEBSOCKET, [Line("cpu_us", "echo, 1,000 clients, 1 in flight: CPU µs a message")]),
    "echo-10000": (BY_WEBSOCKET, [Line("cpu_us", "echo, 10,000 clients, 1 in flight: CPU µs a message")]),
    "broadcast-1": (BROADCAST, [
        Line("cpu_us", "broadcast to 1,000, 1 in flight: CPU µs a delivery", times_limit=1.15),
    ]),
    "broadcast-16": (BROADCAST, [
        Line("cpu_us", "broadcast to 1,000, 16 in flight: CPU µs a delivery", at_most=0.6),
    ]),
    "rooms": (REAL, [Line("cpu_us", "10,000 clients in 1,000 rooms, 1 in flight in each: CPU µs a delivery")]),
    "slow-reader": (REAL, [
        Line("p99_us", "broadcasts of 4 KiB to 100: p99 µs"),
        Line("p99_with_slow_us", "… with one client that doesn't read"),
        Line("with_to_without", "… with / without"),
        Line("held_kib", "… KiB more in the server"),
    ]),
    "connect": (BY_WEBSOCKET, [
        Line("cpu_us", "connect over WebSocket, 32 at a time: CPU µs each", at_most=55),
    ]),
    "upgrade": (REAL, [
        Line("cpu_us", "connect over polling and upgrade, 32 at a time: CPU µs each"),
        Line("per_second", "… upgrades a second, 32 at a time", more_is_better=True),
    ]),
    "polling-1": (BY_POLLING, [
        Line("cpu_us", "long polling, 1 message in a payload: CPU µs a message", times_limit=1.2, times_best=1),
        Line("requests_per_second", "… requests a second", more_is_better=True),
    ]),
    "polling-16": (BY_POLLING, [
        Line("cpu_us", "long polling, 16 messages in a payload: CPU µs a message", at_most=2.2),
        Line("requests_per_second", "… requests a second", more_is_better=True),
    ]),
    "polling-64k": (BY_POLLING, [
        Line("cpu_us", "long polling, 1 message of 64 KiB in a payload: CPU µs a message"),
        Line("requests_per_second", "… requests a second", more_is_better=True),
    ]),
    "memory-1000": (BY_WEBSOCKET, [
        Line("idle_kib", "1,000 idle clients: KiB each"),
    ]),
    "memory-5000": (BY_WEBSOCKET, [
        Line("idle_kib", "5,000 idle clients: KiB each", at_most=4),
    ]),
    "memory-10000": (BY_WEBSOCKET, [
        Line("idle_kib", "10,000 idle clients: KiB each"),
    ]),
    "memory-polling": (["floor", *REAL], [Line("idle_kib", "1,000 clients that poll: KiB each")]),
    "deflate-echo-4k": (COMPRESSING, [
        Line("cpu_us", "echo of 4 KiB of JSON, compressed, 4 in flight: CPU µs a message", times_best=1 / 2),
        Line("wire_bytes", "… bytes on the wire for an answer"),
    ]),
    "deflate-broadcast-16": (COMPRESSING, [
        Line("cpu_us", "broadcast of 4 KiB of JSON to 1,000, compressed, 16 in flight: CPU µs a delivery", at_most=2.0, times_best=1 / 2),
        Line("wire_bytes", "… bytes on the wire for a delivery"),
    ]),
    "deflate-memory-5000": (COMPRESSING, [
        Line("idle_kib", "5,000 idle clients that may compress: KiB each", at_most=4),
    ]),
    "plain-echo-1": (PLAIN, [
        Line("cpu_us", "echo without Socket.IO, 100 clients, 1 in flight: CPU µs a message", times_raw=1),
        Line("p50_us", "… p50 µs"), Line("p99_us", "… p99 µs"),
    ]),
    "plain-echo-16": (PLAIN, [
        Line("cpu_us", "echo without Socket.IO, 16 in flight: CPU µs a message", times_raw=1 / 3),
        Line("messages_per_second", "… messages a second", more_is_better=True),
        Line("p50_us", "… p50 µs"), Line("p99_us", "… p99 µs"),
    ]),
    "cluster-broadcast-1": (IN_CLUSTERS, [
        Line("cpu_us", "broadcast to 1,000 clients of another server, 1 in flight: CPU µs a delivery, both servers", times_best=1 / 3),
        Line("publish_us", "… CPU µs a broadcast, the sender's server", times_best=1 / 3),
        Line("p50_us", "… p50 µs"), Line("p99_us", "… p99 µs"),
    ]),
    "cluster-broadcast-16": (IN_CLUSTERS, [
        Line("cpu_us", "broadcast to 1,000 clients of another server, 16 in flight: CPU µs a delivery, both servers", times_best=1 / 3),
        Line("publish_us", "… CPU µs a broadcast, the sender's server", times_best=1 / 3),
    ]),
    "cluster-paced": (IN_CLUSTERS, [
        Line("cpu_us", "10,000 broadcasts a second to 10 clients of another server: CPU µs a broadcast, both servers", times_best=1 / 3),
        Line("publish_us", "… the sender's server", times_best=1 / 3),
        Line("broadcasts_per_second", "… broadcasts a second", more_is_better=True),
    ]),
    "local-rooms": (IN_CLUSTERS, [
        Line("cpu_us", "messages to a room of one, 16 in flight, no cluster: CPU µs a message"),
    ]),
    "cluster-rooms-alone": (IN_CLUSTERS, [
        Line("cpu_us", "… in a cluster, alone", times_best=1 / 3),
    ]),
    "cluster-rooms": (IN_CLUSTERS, [
        Line("cpu_us", "… with another server, which has no such room", times_best=1 / 3),
        Line("others_us", "… what that other server takes", times_best=1 / 3),
    ]),
    "cluster-fetch": (IN_CLUSTERS, [
        Line("cpu_ms", "fetch the sockets of 3 servers, 1,000 each: CPU ms, all servers", times_best=1 / 3),
        Line("own_ms", "… the one that asks", times_best=1 / 3),
        Line("p50_ms", "… p50 ms"),
    ]),
    "cluster-memory": (IN_CLUSTERS, [
        Line("remote_bytes", "10,000 rooms on another server: bytes each"),
        Line("own_bytes", "… on that server, with a client in each"),
    ]),
    "gateway-publish": (IN_CLUSTERS, [
        Line("cpu_us", "POST /api/emit to one client, one after the other: CPU µs each"),
        Line("publishes_per_second", "… a second over one connection", more_is_better=True),
        Line("p50_us", "… p50 µs"), Line("p99_us", "… p99 µs"),
    ]),
    "gateway-hooks": (IN_CLUSTERS, [
        Line("cpu_us", "events that a backend answers over HTTP, 100 clients, 1 in flight: CPU µs each"),
        Line("messages_per_second", "… hooks a second", more_is_better=True),
        Line("p50_us", "… p50 µs"), Line("p99_us", "… p99 µs"),
    ]),
    "gateway-ack": (IN_CLUSTERS, [
        Line("p50_us", "acknowledgement by way of a backend, 1 client: p50 µs"), Line("p99_us", "… p99 µs"),
        Line("added_us", "… more than without a backend, p50 µs"),
    ]),
}  # fmt: skip
for _name in ("memory-1000", "memory-5000", "memory-10000"):
    ROWS[_name][1].append(
        Line("after_kib", "… after 8 broadcasts of 32 KiB", at_most=5 if _name == "memory-5000" else None)
    )


def number(value):
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(value):
    return "" if value is None else f"{value:.2f}×"


def median(measured, peer, line):
    rounds = [figures[line.figure] for figures in measured.get(peer, []) if line.figure in figures]
    return statistics.median(rounds) if rounds else None


def lines(results, peers):
    """The table's cells as text: for each line its title, its figures, ratios, the goal, the spread."""
    for row, (_, row_lines) in ROWS.items():
        if row not in results:
            continue
        measured = results[row]
        for line in row_lines:
            medians = {peer: median(measured, peer, line) for peer in peers}
            ours = medians.get("ours")
            limit, floor = medians.get("http") or medians.get("limit"), medians.get("floor")
            others = [value for peer, value in medians.items() if peer not in (*YARDSTICKS, "ours") and value and value > 0]
            best = (max if line.more_is_better else min)(others, default=None)
            spread = [figures.get(line.figure, 0) for figures in measured.get("ours", [])]
            yield (
                [row, line.title, *(number(medians[peer]) for peer in peers)]
                + [ratio(ours / other if ours and other else None) for other in (limit, floor, best)]
                + [goal(line, ours, limit, floor, best, medians.get("raw"))]
                + [f"{number(min(spread))}–{number(max(spread))}" if len(spread) > 1 else ""]
            )


def goal(line, ours, limit, floor, best, raw):
    """What is to be reached, and by how much it is missed: by ours, and by the floor if that misses it too."""
    bounds = []
    if line.times_limit:
        bounds.append((f"{line.times_limit:g} × limit", limit and line.times_limit * limit))
    if line.at_most:
        bounds.append((f"{line.at_most:g}", line.at_most))
    if line.times_best:
        bounds.append(("best" if line.times_best == 1 else f"{line.times_best:.2f} × best", best and line.times_best * best))
    if line.times_raw:
        bounds.append(("raw" if line.times_raw == 1 else f"{line.times_raw:.2f} × raw", raw and line.times_raw * raw))
    known = [bound for _, bound in bounds if bound]
    text = ", ".join(text for text, _ in bounds)
    if not (ours and known):
        return text
    bound = min(known)
    if ours <= bound:
        return f"{text}: met"
    by_floor = f", floor {floor / bound - 1:+.0%}" if floor and floor > bound else ""
    return f"{text}: {ours / bound - 1:+.0%}{by_floor}"


def table(results, peers):
    """The heads and the lines, without the columns that say nothing."""
    peers = [peer for peer in peers if any(peer in measured for measured in results.values())]
    heads = ["row", "figure", *peers, "ours / limit", "ours / floor", "ours / best peer", "goal", "spread of ours"]
    rows = list(lines(results, peers))
    telling = [at for at in range(len(heads)) if any(row[at] for row in rows)]
    return [[row[at] for at in telling] for row in (heads, *rows)]


def text_table(results, peers):
    rows = table(results, peers)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if at < 2 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths)))
        for row in rows
    )


def markdown_table(results, peers):
    head, *measured = table(results, peers)
    rows = [head, ["---", "---", *["--:" for _ in head[2:]]]]
    seen = None
    for row in measured:
        name, seen = ("" if row[0] == seen else f"`{row[0]}`"), row[0]
        cells = [name, *row[1:]]
        if "ours" in head:
            at = head.index("ours")
            cells[at] = f"**{cells[at]}**" if cells[at] else ""
        rows.append(cells)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def machine(folder):
    """Where this is measured, and with what."""

    def says(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return ""

    # What is measured beside the server, from what pins it.
    lock, packages = (folder / "Cargo.lock").read_text(), json.loads((folder / "package.json").read_text())
    peers = {name: re.search(rf'name = "{name}"\nversion = "(.*)"', lock)[1] for name in ("socketioxide", "tokio-tungstenite", "hyper")}
    peers |= {name: version for name, version in packages["dependencies"].items() if name != "bun"}
    peers |= dict(re.findall(r"^([\w-]+)(?:\[.*\])?==(.*)$", (folder / "requirements.txt").read_text(), re.MULTILINE))
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release().split("-")[0],
        "commit": says("git", "rev-parse", "--short", "HEAD"),
        "peers": peers,
        "rustc": says("rustc", "--version").removeprefix("rustc ").split(" ")[0],
        "node": says("node", "--version").removeprefix("v"),
        "bun": says("node_modules/bun/bin/bun.exe", "--version"),
        "python": says(".venv/bin/python", "-c", "import platform; print(platform.python_version())"),
    }


def machine_text(results):
    """The sentence above the table."""
    there = results["machine"]
    versions = ", ".join(f"{name} {there[name]}" for name in ("rustc", "node", "bun", "python") if there.get(name))
    peers = ", ".join(f"{name} {version}" for name, version in there["peers"].items())
    rounds = results["rounds"]
    return (
        f"Commit {there['commit']}, on {there['cores']} cores of {there['processor']}, Linux {there['kernel']}; {versions}; {peers}. "
        f"{rounds} round{'' if rounds == 1 else 's'}, {results['seconds']:g} s each."
    )
