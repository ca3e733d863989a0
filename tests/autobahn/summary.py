"""Says what the cases came to, and ends with 1 if one is not as it should be.

    summary.py index.json [autobahn.md]

With the document it replaces the tables between that document's marks. It runs on the Python of the suite, 2.7.
"""
from __future__ import print_function

import collections
import io
import json
import re
import sys

SECTIONS = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    9: "sizes up to 16 MiB",
    10: "messages in small pieces",
    12: "compressed messages of many kinds and sizes",
    13: "compression with each parameter",
}

AGENTS = [("reader", "the reader of sessions"), ("plain", "a plain WebSocket")]

# Cases that may be other than strict, and why, by agent. All others are OK or informational.
NOT_STRICT = {}

MARKS = re.compile("(<!-- summary -->\n).*(<!-- end -->\n)", re.DOTALL)


def number(case):
    return [int(part) for part in case.split(".")]


def outcome(result):
    """What a case came to, of what was sent and of how the connection was closed."""
    pair = {result["behavior"], result["behaviorClose"]}
    if "INFORMATIONAL" in pair:
        pair -= {"OK"}
    return " and ".join(sorted(pair - {"OK"})) or "OK"


def cell(seen):
    kinds = sorted(seen, key=lambda kind: (kind != "OK", kind))
    return ", ".join("{} {}".format(seen[kind], kind if kind == "OK" else kind.lower()) for kind in kinds)


def table(results):
    counts = collections.defaultdict(collections.Counter)
    for agent, cases in results.items():
        for case, result in cases.items():
            counts[int(case.split(".")[0]), agent][outcome(result)] += 1
    yield "| section | " + " | ".join(name for _, name in AGENTS) + " |"
    yield "|---|" + "---|" * len(AGENTS)
    for section in sorted({section for section, _ in counts}):
        cells = [cell(counts[section, agent]) for agent, _ in AGENTS]
        yield "| {} {} | {} |".format(section, SECTIONS[section], " | ".join(cells))
    cells = [cell(collections.Counter(map(outcome, results[agent].values()))) for agent, _ in AGENTS]
    yield "| all | {} |".format(" | ".join(cells))


def exceptions(results):
    for agent, name in AGENTS:
        for reason, cases in NOT_STRICT.get(agent, []):
            seen = [case for case in cases if case in results[agent] and outcome(results[agent][case]) == "NON-STRICT"]
            if seen:
                yield "- Non-strict on {}: {}. {}.".format(name, ", ".join(seen), reason)


def wrong(results):
    for agent, cases in sorted(results.items()):
        known = {case for _, listed in NOT_STRICT.get(agent, []) for case in listed}
        for case in sorted(cases, key=number):
            kind = outcome(cases[case])
            if kind not in ("OK", "INFORMATIONAL") and not (kind == "NON-STRICT" and case in known):
                yield "{} {}: {}".format(agent, case, kind)


def main(index, document=None):
    with io.open(index, encoding="utf-8") as file:
        results = json.load(file)
    lines = list(table(results))
    known = list(exceptions(results))
    if known:
        lines += [""] + known
    print("\n".join(lines))
    problems = list(wrong(results))
    for problem in problems:
        print("FAIL " + problem)
    if document and not problems:
        with io.open(document, encoding="utf-8") as file:
            text = file.read()
        with io.open(document, "w", encoding="utf-8") as file:
            file.write(MARKS.sub(lambda mark: mark.group(1) + "\n".join(lines) + "\n" + mark.group(2), text))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
