"""A real broker for the stories, started as a person would."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts/lib"))
import stack  # noqa: E402


class Nexus:
    """The broker's process, and what an admin does on its machine."""

    def __init__(self, folder):
        self.folder = folder
        self.stack = stack.Stack(stack.bin_dir(), folder / "data")
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
