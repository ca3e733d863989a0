"""Runs the program as its packages have it run.

    check.py deb FILE        installs the package, runs its unit, upgrades and removes it; for root on Debian
    check.py upgrade         does so with packages of a program that only says its version; for root on Debian
    check.py image PROGRAM   runs it as its Dockerfile says, alone in a folder and a network of its own; for root
    check.py manifests       looks whether manifests, image, program and guide agree on options and times
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import tomllib
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "server/cli/packaging"
POLLING = "socket.io/?EIO=4&transport=polling"
LIMIT = 20  # seconds, as long as anything may take


def run(*command, **more):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, timeout=60, **more).stdout


def get(url):
    with urllib.request.urlopen(url, timeout=LIMIT) as response:
        return response.read().decode()


def line_with(stream, text):
    """What follows the text in the first line that has it."""
    for line in stream:
        if text in line:
            return line.split(text, 1)[1].strip()
    raise AssertionError(f"the program ended without a line {text!r}")


def settings(unit, key):
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


class Manager:
    """What systemd is for a service: starts it, hears how it is, and tells it to stop."""

    def __init__(self, unit, folder, environment, group="65534"):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.settimeout(LIMIT)
        os.chmod(folder / "notify", 0o777)
        self.unit = unit
        [command] = settings(unit, "ExecStart")
        seconds = int(settings(unit, "WatchdogSec")[0].removesuffix("s"))
        # The user is another for each start; this one has no more rights.
        command = ["setpriv", "--reuid=65534", f"--regid={group}", "--clear-groups", "--no-new-privs", *shlex.split(command)]
        environment = {**environment, "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": str(seconds * 1_000_000)}
        self.process = subprocess.Popen(command, env=environment, cwd="/", text=True, umask=int(settings(unit, "UMask")[0], 8), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def hears(self, state):
        while state not in (told := self.socket.recv(4096).decode().split()):
            assert told == ["WATCHDOG=1"], told

    def reloads(self):
        [command] = settings(self.unit, "ExecReload")
        run(*shlex.split(command.replace("$MAINPID", str(self.process.pid))))

    def stops(self):
        self.process.send_signal(signal.SIGTERM)
        self.hears("STOPPING=1")
        status = self.process.wait(LIMIT)
        log = self.process.stderr.read()
        assert status == 0, (status, log)
        return log


def behind_nginx(unit, folder, config, group):
    """The status that nginx answers with before a server whose socket has this group: the unit has Group= for that."""
    runtime = pathlib.Path("/run") / settings(unit, "RuntimeDirectory")[0]
    runtime.mkdir(mode=0o755)
    try:
        shutil.chown(runtime, 65534, int(group) if group.isdigit() else group)
        before = config.read_text()
        config.write_text(re.sub("(?m)^listen = .*$", f'listen = ["unix:{runtime}/socket"]\ntrusted-proxy = ["unix"]', before))
        service = Manager(unit, folder, {}, group)
        service.hears("READY=1")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "nginx.conf").write_text(f"""
            daemon off; user www-data; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
            events {{}}
            http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://unix:{runtime}/socket; }} }} }}""")
        nginx = subprocess.Popen(["nginx", "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + LIMIT
            while True:
                try:
                    return get(f"http://127.0.0.1:{port}/{POLLING}")[:2]
                except urllib.error.HTTPError as error:
                    return error.code
                except OSError:
                    assert time.monotonic() < end, "nginx does not listen"
                    time.sleep(0.02)
        finally:
            nginx.terminate()
            nginx.wait(LIMIT)
            service.stops()
            config.write_text(before)
    finally:
        shutil.rmtree(runtime)


def installed():
    return subprocess.run(["dpkg-query", "--show", "--showformat=${db:Status-Status}", "socketio-server"],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def help_in_the_shell(package, folder):
    """From the archive, since Debian's own images leave out manual pages at the installation."""
    run("dpkg-deb", "--extract", package, folder)
    page = folder / "usr/share/man/man1/socketio-server.1.gz"
    text = run("gzip", "--decompress", "--stdout", page)
    assert "\\-\\-ping\\-interval" in text, "the manual page has the options"
    if shutil.which("man"):
        shown = run("man", "--local-file", page, env={**os.environ, "MANWIDTH": "200"})
        assert "--ping-interval" in shown, shown[:2000]
    bash = folder / "usr/share/bash-completion/completions/socketio-server"
    words = run("bash", "-c", f'source {bash}; COMP_WORDS=(socketio-server --ping-i); COMP_CWORD=1; '
                'function=$(complete -p socketio-server | sed "s/.*-F \\([^ ]*\\).*/\\1/"); '
                '"$function" socketio-server --ping-i socketio-server; echo "${COMPREPLY[@]}"')
    assert words == "--ping-interval\n", words
    for path in ["usr/share/zsh/vendor-completions/_socketio-server", "usr/share/doc/socketio-server/copyright",
                 "usr/share/fish/vendor_completions.d/socketio-server.fish"]:
        assert (folder / path).stat().st_size > 500, path
    for command in ["bench", "check", "connect", "lab"]:
        text = run("gzip", "--decompress", "--stdout", folder / f"usr/share/man/man1/socketio-server-{command}.1.gz")
        assert f"socketio\\-server\\-{command}" in text and "\\-\\-" in text, text[:500]
    owners = {line.split()[1] for line in run("dpkg-deb", "--contents", package).splitlines()}
    assert owners == {"root/root"}, owners


def deb(package):
    assert not installed(), "socketio-server is installed: this test would remove it"
    config = pathlib.Path("/etc/socketio-server/socketio-server.toml")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.chmod(folder, 0o755)
        help_in_the_shell(package, folder / "files")
        try:
            began = time.monotonic()
            run("dpkg", "--install", package)
            unit = pathlib.Path("/usr/lib/systemd/system/socketio-server.service").read_text()
            # Any port, since others may use 3000; and what a package's user changes stays.
            config.write_text(config.read_text() + 'app = "echo"\nlisten = ["127.0.0.1:0"]\n')
            run("socketio-server", "config", "check", config)
            service = Manager(unit, folder, {})
            service.hears("READY=1")
            url = line_with(service.process.stdout, "listening on ")
            opened = get(url + POLLING)
            took = time.monotonic() - began
            print(f"{took:.1f} s from the package to a served client")
            service.reloads()
            line_with(service.process.stderr, "SIGHUP: there is no file to reload")
            session = json.loads(opened[1:])["sid"]
            client = subprocess.Popen(["curl", "--silent", f"{url}{POLLING}&sid={session}"], text=True, stdout=subprocess.PIPE)
            log = service.stops()
            polled = client.communicate(timeout=LIMIT)[0]
            assert polled.endswith("1"), f"a client that polls is told: {polled!r}"
            assert "draining" in log, log
            if shutil.which("nginx"):
                (folder / "notify").unlink()
                assert behind_nginx(unit, folder, config, "www-data") == "0{"
                (folder / "notify").unlink()
                assert behind_nginx(unit, folder, config, "65534") == 502, "without Group=, nginx can't connect"
                print("nginx reaches the service's Unix socket by its group")
            run("dpkg", "--install", package)
            assert 'app = "echo"' in config.read_text(), "an upgrade keeps the options"
            if shutil.which("systemd-analyze"):
                for name in ["service", "socket"]:
                    run("systemd-analyze", "verify", f"socketio-server.{name}")
                rating = run("systemd-analyze", "security", "--offline=true", "--threshold=25", "socketio-server.service")
                print(rating.splitlines()[-1].strip())
        finally:
            run("dpkg", "--purge", "socketio-server", stderr=subprocess.DEVNULL)
    assert not config.parent.exists() and not shutil.which("socketio-server"), "nothing is left"
    print("the package is installed, runs as a service, is upgraded and removed")


def stand_in(folder, version):
    """A package of a program that is nothing but what its package is made of. Each version has another text of help."""
    folder.mkdir()
    program = folder / "socketio-server"
    said = json.dumps({"version": version, "static": True, "features": ["gateway", "redis"]}, separators=(",", ":"))
    program.write_text(f"""#!/bin/sh
        case "$1 $2" in
        "version --json") echo '{said}' ;;
        "config default") echo '# The options of {version}' ;;
        *) echo "$@" ;;
        esac
        """)
    program.chmod(0o755)
    return run(PACKAGING / "debian/build", program, folder).strip()


def upgrade():
    assert not installed(), "socketio-server is installed: this test would remove it"
    config = pathlib.Path("/etc/socketio-server/socketio-server.toml")
    examples = "./usr/share/doc/socketio-server/examples/socketio-server.toml"
    # What systemd makes, as the unit asks for it.
    state, link = pathlib.Path("/var/lib/private/socketio-server"), pathlib.Path("/var/lib/socketio-server")
    units = [("service", "multi-user"), ("socket", "sockets")]
    wanted = {unit: pathlib.Path(f"/etc/systemd/system/{target}.target.wants/socketio-server.{unit}") for unit, target in units}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        candidate, release = [stand_in(folder / version, version) for version in ["7.8.0-rc.1", "7.8.0"]]
        older, newer = [run("dpkg-deb", "--field", package, "Version").strip() for package in [candidate, release]]
        run("dpkg", "--compare-versions", older, "lt", newer)
        options = run("sh", "-c", f"dpkg-deb --fsys-tarfile {release} | tar --extract --to-stdout --file - {examples}")
        assert options == "# The options of 7.8.0\n", options
        try:
            run("dpkg", "--install", candidate)
            assert wanted["service"].is_symlink() and not wanted["socket"].is_symlink(), "the service is enabled, the socket is not"
            config.write_text(config.read_text() + 'app = "echo"\n')
            run("systemctl", "enable", "socketio-server.socket", env={**os.environ, "SYSTEMD_OFFLINE": "1"}, stderr=subprocess.DEVNULL)
            # Nobody answers, so a question would be an error.
            run("dpkg", "--install", release, stdin=subprocess.DEVNULL)
            assert 'app = "echo"' in config.read_text(), "an upgrade keeps the options"
            run("dpkg", "--remove", "socketio-server")
            run("dpkg", "--install", release, stdin=subprocess.DEVNULL)
            for unit, path in wanted.items():
                assert path.is_symlink(), f"the {unit} is enabled as it was"
                mask = pathlib.Path(f"/etc/systemd/system/socketio-server.{unit}")
                assert not mask.is_symlink(), f"the {unit} is masked"
            state.mkdir(parents=True, mode=0o700)
            link.symlink_to("private/socketio-server")
            (state / "journal").write_text("{}\n")
            run("dpkg", "--remove", "socketio-server")
            assert (state / "journal").exists() and config.exists(), "only a purge removes what users have"
        finally:
            run("dpkg", "--purge", "socketio-server", stderr=subprocess.DEVNULL)
    left = [path for path in [config.parent, state, link, *wanted.values()] if os.path.lexists(path)]
    left += pathlib.Path("/var/lib/systemd").glob("deb-systemd-helper-*/**/*socketio-server*")
    left += pathlib.Path("/etc/systemd/system").glob("socketio-server*")
    assert not left, f"a purge leaves {left}"
    print("an upgrade asks nothing, and a purge leaves nothing")


def manifests():
    text = (PACKAGING / "kubernetes/socketio-server.yaml").read_text()
    file = re.search(r"^  socketio-server\.toml: \|\n((?:    .*\n)+)", text, re.MULTILINE)[1]
    options = tomllib.loads(textwrap.dedent(file))
    names = {f"SOCKETIO_{name.upper().replace('-', '_')}": name for name in options}
    variables = {*dockerfile()[3], *re.findall(r"name: (SOCKETIO_\w+)", text)}
    useless = [names[variable] for variable in variables & names.keys()]
    assert not useless, f"variables override {useless} of the file"
    code = (ROOT / "server/cli/src/systemd.rs").read_text()
    after = int(re.search(r"AFTER_THE_DRAIN: Duration = Duration::from_secs\((\d+)\)", code)[1])
    needed = sum(int(options[name].removesuffix("s")) for name in ["drain-wait", "drain-timeout"]) + after
    grace = int(re.search(r"terminationGracePeriodSeconds: (\d+)", text)[1])
    assert grace >= needed, f"the drain and what comes after it need {needed} s, and Kubernetes kills after {grace} s"
    said = [
        ("operating", f"has to be {after} s above"),
        ("operating", f"plus `drain-timeout` plus {after} s"),
        ("running", f"or up to {after} s later"),
    ]
    for page, words in said:
        assert words in (ROOT / f"docs/guide/{page}.md").read_text(), f"docs/guide/{page}.md lacks {words!r}"
    print("the manifests leave the server its time, and no variable overrides their file")


def dockerfile():
    """What the last stage of the Dockerfile says of running: by instruction, its arguments."""
    stage = (PACKAGING / "docker/Dockerfile").read_text().rsplit("\nFROM ", 1)[1].splitlines()[1:]
    lines = [line.split(" ", 1) for line in stage if line and not line.startswith("#")]
    [user] = [rest for word, rest in lines if word == "USER"]
    [entry] = [json.loads(rest) for word, rest in lines if word == "ENTRYPOINT"]
    [health] = [json.loads(rest.split(" CMD ")[1]) for word, rest in lines if word == "HEALTHCHECK"]
    variables = dict(pair.split("=", 1) for word, rest in lines if word == "ENV" for pair in rest.split())
    return user, entry, health, variables


def image(program):
    user, entry, health, variables = dockerfile()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.chmod(folder, 0o755)
        shutil.copy(program, folder / "socketio-server")
        # As the engine does: it knows the container's name, and hosts that one adds.
        (folder / "etc").mkdir()
        (folder / "etc/hosts").write_text("127.0.0.1 localhost backend\n")
        # Its variables have no PATH to look into.
        inside = [shutil.which("chroot"), f"--userspec={user}", str(folder)]
        server = subprocess.Popen([*inside, *entry, "--app", "echo"], env=variables, text=True, stdout=subprocess.PIPE)
        try:
            metrics = line_with(server.stdout, "metrics on ")
            url = line_with(server.stdout, "listening on ")
            assert (metrics, url) == ("http://[::]:9090/metrics", "http://[::]:3000/"), (metrics, url)
            assert get(f"http://127.0.0.1:3000/{POLLING}").startswith("0{")
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            ids = re.findall(r"^(?:Uid|Gid|Groups):(.*)", status, re.MULTILINE)
            assert {id for line in ids for id in line.split()} == {"65534"}, f"it has the rights of {ids}"
            run(*inside, *health, env=variables)
            run(*inside, *health, "http://backend:9090/readyz", env=variables)
            server.send_signal(signal.SIGTERM)
            assert server.wait(LIMIT) == 0
            gone = subprocess.run([*inside, *health], env=variables, stderr=subprocess.DEVNULL, timeout=LIMIT)
            assert gone.returncode == 1, gone
        finally:
            server.kill()
    print("the program runs alone as the Dockerfile says, looks up names, and knows its health")


if __name__ == "__main__":
    what, *path = sys.argv[1:]
    # No proxy for what is on this machine.
    os.environ["no_proxy"] = "*"
    {"deb": deb, "upgrade": upgrade, "image": image, "manifests": manifests}[what](*path)
