"""Whether the tree is ready for a version.

    ready.py VERSION     says what is not, and ends with 1 then
    ready.py notes VERSION   prints the section of the version in the changelog
    ready.py test        tries it with trees of which each fault is known
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOCKS = ["Cargo.lock", "tests/bench/Cargo.lock"]


def section(version, changelog):
    """What the changelog says of the version, below its heading."""
    found = re.search(rf"^## {re.escape(version)}, \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found and found[1].strip()


def problems(version, manifest, locks, changelog, tags=(), changes=""):
    """What is not ready: of the workspace's manifest, lock files by name, the changelog, git's tags and its status."""
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", version):
        yield f"{version} is not a version: 0.2.0, or 0.2.0-rc.1"
        return
    table = manifest.split("[workspace.package]", 1)[1].split("\n[", 1)[0]
    [package] = re.findall(r'^version = "(.*)"', table, re.MULTILINE)
    if package != version:
        yield f"Cargo.toml has the version {package}"
    own = re.findall(r'^([\w-]+) = \{ .*path = ".*version = "(.*?)"', manifest, re.MULTILINE)
    for name, named in own:
        if named != version:
            yield f"Cargo.toml depends on {name} {named}"
    names = {re.sub("^socketio$", "socketio-core", name) for name, _ in own}
    for lock, text in locks.items():
        for name, locked in re.findall(r'name = "(.*)"\nversion = "(.*)"\n(?!source)', text):
            if name in names and locked != version:
                yield f"{lock} has {name} {locked}: cargo update --workspace --offline"
    first = re.search(r"^## (.*)$", changelog, re.MULTILINE)
    if not first or not first[1].startswith(f"{version}, ") or section(version, changelog) is None:
        yield f"CHANGELOG.md begins with {first and first[1]!r}: write the version and the date, as in 0.1.0, 2027-01-31"
    elif not re.search(r"^- ", section(version, changelog), re.MULTILINE):
        yield "CHANGELOG.md has no entries for it"
    if f"v{version}" in tags:
        yield f"the tag v{version} is there already"
    if changes:
        yield f"these files are not committed:\n{changes}"


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout


def test():
    manifest = (ROOT / "Cargo.toml").read_text()
    [before] = re.findall(r'^version = "(.*)"', manifest.split("[workspace.package]", 1)[1].split("\n[", 1)[0], re.MULTILINE)
    bump = lambda text: text.replace(f'"{before}"', '"7.8.9"')
    locks = {lock: re.sub(rf'(name = "(?:engineio|socketio-[\w-]+)"\nversion = )"{before}"', r'\1"7.8.9"', (ROOT / lock).read_text())
             for lock in LOCKS}
    log = "# Changes\n\n## 7.8.9, 2027-01-31\n\n- It flies.\n\n## 7.8.8, 2026-01-31\n\n- It runs.\n"
    right = dict(manifest=bump(manifest), locks=locks, changelog=log)
    find = lambda version="7.8.9", **other: list(problems(version, **{**right, **other}))
    assert find() == [], find()
    assert section("7.8.9", log) == "- It flies."
    for found, part in [
        (find("7.8"), "is not a version"),
        (find(manifest=manifest), f"Cargo.toml has the version {before}"),
        (find(manifest=bump(manifest).replace('"7.8.9" }', '"7.8.8" }', 1)), "Cargo.toml depends on"),
        (find(locks={**locks, "Cargo.lock": (ROOT / "Cargo.lock").read_text()}), f"Cargo.lock has engineio {before}"),
        (find(changelog=log.replace("2027-01-31", "unreleased")), "CHANGELOG.md begins with '7.8.9, unreleased'"),
        (find("7.8.9", changelog=log.replace("7.8.9", "7.8.7")), "CHANGELOG.md begins with"),
        (find(changelog=log.replace("- It flies.", "")), "no entries"),
        (find(tags=["v7.8.9"]), "is there already"),
        (find(changes=" M README.md"), "not committed"),
    ]:
        assert any(part in problem for problem in found), (part, found)
    print("a tree that is not ready for a release is told what it lacks")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["test"]:
            test()
        case ["notes", version]:
            print(section(version, (ROOT / "CHANGELOG.md").read_text()))
        case [version]:
            read = {name: (ROOT / name).read_text() for name in ["Cargo.toml", "CHANGELOG.md", *LOCKS]}
            found = list(problems(version, read["Cargo.toml"], {lock: read[lock] for lock in LOCKS}, read["CHANGELOG.md"],
                                  git("tag").split(), git("status", "--porcelain")))
            print("\n".join(found) or f"the tree is ready for {version}")
            sys.exit(1 if found else 0)
        case _:
            sys.exit(__doc__)
