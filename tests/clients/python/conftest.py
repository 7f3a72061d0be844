"""A real broker for the stories, started as a person would."""

import json
import pathlib
import re
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts/lib"))
import stack  # noqa: E402
from nexus_client import PATIENCE_S, Aspect, Link  # noqa: E402


class TlsStack(stack.Stack):
    """A broker that speaks TLS on loopback too, which the scripts need not."""

    def start_broker(self):
        command = [self.bin / "nexus", "serve", "--data", self.data, "--listen", self.listen, "--tls"]
        self.broker = stack.Process("nexus", command, self.say)
        deadline = time.monotonic() + PATIENCE_S
        while not any("ready in" in line for line in self.broker.lines):
            assert time.monotonic() < deadline and self.broker.child.poll() is None, self.broker.lines
            time.sleep(0.02)
        self.url = json.loads((self.data / "nexus.run").read_text())["url"]


class Nexus:
    """The broker's process, and what an admin does on its machine."""

    def __init__(self, folder, kind=stack.Stack):
        self.folder = folder
        self.stack = kind(stack.bin_dir(), folder / "data")
        self.stack.start_broker()

    @property
    def url(self):
        return self.stack.url

    @property
    def token(self):
        """The first operator's API token."""
        return self.stack.token

    def nexus(self, *arguments):
        command = [self.stack.bin / "nexus", *arguments, "--data", self.stack.data]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        return done.stdout

    def add_aspect(self, name):
        """Lets an aspect in; returns its keyfile."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        self.nexus("aspect", "add", name, "--home", home, "--share-knowledge")
        return json.loads((home / ".nexus/key.json").read_text())

    def add_operator(self, name, role):
        """Lets a person in; returns their API token."""
        printed = self.nexus("operator", "add", name, "--role", role)
        return re.search(r"nxo_\S+", printed)[0]

    def kill(self):
        """kill -9."""
        self.stack.broker.kill()

    def start(self):
        self.stack.start_broker()


@pytest.fixture
def nexus(tmp_path):
    running = Nexus(tmp_path)
    yield running
    running.stack.stop()


@pytest.fixture
def tls_nexus(tmp_path):
    running = Nexus(tmp_path, TlsStack)
    yield running
    running.stack.stop()


@pytest.fixture
def operator(nexus):
    """An operator's link."""
    link = Link(nexus.url, nexus.token)
    yield link
    link.close()


@pytest.fixture
def viewer(nexus):
    """The link of somebody who may only look."""
    link = Link(nexus.url, nexus.add_operator("vera", "viewer"))
    yield link
    link.close()


@pytest.fixture
def dialled(nexus):
    """Makes aspects that are registered, and takes their links away in the end."""
    made = []

    def dial(name, **register):
        aspect = Aspect(nexus.url, nexus.add_aspect(name), **register)
        made.append(aspect)
        aspect.dial()
        return aspect

    yield dial
    for aspect in made:
        aspect.link.close()


@pytest.fixture
def robin(dialled):
    """An aspect with one Hand."""
    add = {"name": "add", "description": "adds a and b", "timeout_s": 60, "concurrency": 2}
    return dialled("robin", hands=[add], slots=2)


@pytest.fixture
def wren(dialled):
    """An aspect with one Hand."""
    return dialled("wren", hands=[{"name": "double", "timeout_s": 60, "concurrency": 1}], slots=2)
