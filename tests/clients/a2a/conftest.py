"""A broker and an agent, as a person would start them."""

import json
import pathlib
import socket
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts/lib"))
import stack  # noqa: E402

SCRIPT = """
[[rule]]
match = "hello"
[[rule.step]]
say = "hello yourself"

[[rule]]
match = "wait"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
hold = "go"
say = "late"

[[rule]]
match = "which colour"
[[rule.step]]
name = "said"
call = "ask_operator"
args = { question = "Which colour?", choices = ["red", "blue"] }
[[rule.step]]
say = "it is {{ said.json.answer }}"

[[rule]]
hand = "verify"
[[rule.step]]
answer = { holds = true }
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Team:
    """wren, who leads and is alone."""

    def __init__(self, folder):
        self.home = folder / "wren"
        (self.home / "work").mkdir(parents=True)
        hand = {"name": "verify", "description": "Verifies a claim.", "instructions": "Verify."}
        settings = {
            "name": "wren", "role": "frame", "provider": {"kind": "scripted"},
            "tools": ["read_file", "ask_operator"], "hands": [hand],
        }
        (self.home / "aspect.json").write_text(json.dumps(settings))
        (self.home / "SOUL.md").write_text("You are wren.\n")
        (self.home / "NEXUS.md").write_text("Work.\n")
        (self.home / "script.toml").write_text(SCRIPT)
        (self.home / "work/note.txt").write_text("a note\n")
        # Receivers of tests, which speak plain HTTP on this machine.
        (folder / "data").mkdir(mode=0o700)
        self.hook = free_port()
        (folder / "data/nexus.toml").write_text(f'[push]\nallow = ["127.0.0.1:{self.hook}"]\n')
        self.stack = stack.Stack(stack.bin_dir(), folder / "data")
        self.stack.start_broker()
        self.stack.add_aspect(self.home)
        self.stack.start_agent(self.home)
        self.stack.wait_online(["wren"])

    @property
    def url(self):
        return self.stack.url

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.stack.token}"}

    def go(self):
        """Lets what waits go on."""
        (self.home / "go").write_text("")

    def kill(self):
        """kill -9."""
        self.stack.broker.kill()

    def start(self):
        self.stack.start_broker()


@pytest.fixture
def team(tmp_path):
    running = Team(tmp_path)
    yield running
    running.stack.stop()
