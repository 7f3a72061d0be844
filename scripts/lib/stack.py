"""Starts and watches a broker and its agents: what scripts/up, scripts/demo and scripts/bench share.

Python 3 and nothing else. Every process gets a signal when this one dies, so nothing is orphaned.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# util-linux: the child gets SIGTERM when this process dies, however it dies.
DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


class Fault(Exception):
    """Something a person has to know about; printed without a traceback."""


def bin_dir(release=False, profile=None):
    """Where cargo puts the binaries."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return (ROOT / target / (profile or ("release" if release else "debug"))).resolve()


def build(release=False):
    """Builds the binaries and returns the folder they are in."""
    command = ["cargo", "build", "--locked", "--bins"] + (["--release"] if release else [])
    if subprocess.run(command, cwd=ROOT).returncode:
        raise Fault("the build failed; cargo's messages above say where")
    return bin_dir(release)


class Process:
    """One child whose output lines are passed on with its name in front."""

    def __init__(self, name, command, say, env=None):
        self.name = name
        self.child = subprocess.Popen(
            DIES_WITH_PARENT + [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
            # A Ctrl-C in the terminal reaches us alone; we then stop the others in order.
            start_new_session=True,
        )
        self.lines = []
        self.reader = threading.Thread(target=self._read, args=(say,), daemon=True)
        self.reader.start()

    def _read(self, say):
        for line in self.child.stdout:
            self.lines = self.lines[-200:] + [line.rstrip()]
            say(self.name, line.rstrip())

    def kill(self):
        self.child.kill()
        self.child.wait()

    def stop(self, grace_s=10):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self.reader.join(1)
        return self.child.returncode


def name_of(home):
    """Whose home it is."""
    try:
        return json.loads((pathlib.Path(home) / "aspect.json").read_text())["name"]
    except (OSError, ValueError, KeyError) as error:
        raise Fault(f"{home}/aspect.json does not say whose home it is ({error}); see: agent check {home}") from None


def how_it_ended(code):
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class Stack:
    """A broker on `data`, with `flags` of its own, and one agent for each home."""

    def __init__(self, bin_dir, data, listen="127.0.0.1:0", say=lambda name, line: None, flags=()):
        self.bin = pathlib.Path(bin_dir)
        self.data = pathlib.Path(data)
        self.listen = listen
        self.say = say
        self.flags = list(flags)
        self.broker = None
        self.agents = {}
        self.url = None

    def start_broker(self):
        self.broker = Process(
            "nexus", [self.bin / "nexus", "serve", "--data", self.data, "--listen", self.listen] + self.flags,
            self.say,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.broker.child.poll() is not None:
                self.broker.reader.join(1)
                raise Fault("nexus did not start:\n  " + "\n  ".join(self.broker.lines[-8:]))
            run = self._run_file()
            mine = run.get("pid") == self.broker.child.pid
            if mine and run["url"].startswith("https:"):
                raise Fault(f"{run['url']} needs TLS, which the scripts do not speak; listen on a loopback address")
            if mine and self._is_ready(run["url"]):
                self.url = run["url"]
                # A restart must come back to the same address, whatever port the first one got.
                self.listen = self.url.split("://", 1)[1]
                return
            time.sleep(0.02)
        raise Fault("nexus was not ready within 30 s:\n  " + "\n  ".join(self.broker.lines[-8:]))

    def _run_file(self):
        try:
            return json.loads((self.data / "nexus.run").read_text())
        except (OSError, ValueError):
            return {}

    def _is_ready(self, url):
        try:
            with urllib.request.urlopen(url + "/readyz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def setup(self):
        """What follows the dashboard's address so that one click logs in: the setup token, if this start made one."""
        found = (re.search(r"/(#setup=\S+)", line) for line in self.broker.lines)
        return next((match.group(1) for match in found if match), "")

    @property
    def token(self):
        return (self.data / "operator.token").read_text().strip()

    def aspects(self):
        request = urllib.request.Request(
            self.url + "/api/v1/aspects", headers={"Authorization": "Bearer " + self.token}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)["aspects"]

    def add_aspect(self, home):
        """Lets the aspect of `home` in: makes its keyfile, unless the one there is good already."""
        home = pathlib.Path(home)
        settings = json.loads((home / "aspect.json").read_text())
        command = [
            self.bin / "nexus", "aspect", "add", settings["name"], "--data", self.data, "--home", home,
            "--role", settings.get("role", "worker"), "--share-knowledge",
        ]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            raise Fault(f"cannot add {settings['name']}: {(done.stderr or done.stdout).strip()}")
        return settings["name"]

    def start_agent(self, home):
        name = pathlib.Path(home).name
        self.agents[name] = (home, Process(name, [self.bin / "agent", home], self.say))
        return self.agents[name][1]

    def wait_online(self, names, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        missing = set(names)
        while missing and time.monotonic() < deadline:
            present = {aspect["name"] for aspect in self.aspects() if aspect["state"] != "offline"}
            missing = set(names) - present
            for name in missing:
                # The broker has the processes of those that it started itself.
                process = self.agents[name][1] if name in self.agents else None
                if process and process.child.poll() is not None:
                    process.reader.join(1)
                    raise Fault(f"{name} did not start:\n  " + "\n  ".join(process.lines[-8:]))
            time.sleep(0.05)
        if missing:
            raise Fault(f"not online within {timeout_s} s: {', '.join(sorted(missing))}")

    def stop(self):
        """Agents first, so that each can say goodbye; then the broker."""
        for _, process in self.agents.values():
            if process.child.poll() is None:
                process.child.terminate()
        for _, process in self.agents.values():
            process.stop()
        if self.broker:
            # Longer than agents that it started may take.
            self.broker.stop(grace_s=30)
