"""A real broker and a scripted aspect, to be asked by OpenAI's own client."""

import json
import pathlib
import sys

import openai
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts/lib"))
import stack  # noqa: E402

SCRIPT = """
[[rule]]
match = "first question"
[[rule.step]]
say = "first answer"

[[rule]]
match = "second question"
[[rule.step]]
say = "second answer, after {{ history | length }}"

[[rule]]
match = "slowly"
[[rule.step]]
say = "It begins"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
hold = "go"
say = "and ends"

[[rule]]
match = "fail"
[[rule.step]]
fail = { kind = "auth", message = "no key" }

[[rule]]
match = "function_result"
[[rule.step]]
say = "So it rains."

[[rule]]
match = "weather"
[[rule.step]]
answer = { tool_calls = [{ name = "weather", arguments = { in = "Oslo" } }] }
"""


class Nexus:
    """The broker's process, wren's, and what people do beside the client."""

    def __init__(self, folder, settings=""):
        (folder / "data").mkdir(mode=0o700)
        (folder / "data/nexus.toml").write_text(settings)
        self.stack = stack.Stack(stack.bin_dir(), folder / "data")
        self.stack.start_broker()
        self.home = folder / "wren"
        (self.home / "work").mkdir(parents=True)
        settings = {"name": "wren", "provider": {"kind": "scripted"}, "tools": ["read_file"]}
        files = {
            "aspect.json": json.dumps(settings),
            "SOUL.md": "You are wren.\n",
            "NEXUS.md": "Work.\n",
            "script.toml": SCRIPT,
            "work/note.txt": "a note\n",
        }
        for name, text in files.items():
            (self.home / name).write_text(text)
        self.stack.add_aspect(self.home)
        self.stack.start_agent(self.home)
        self.stack.wait_online(["wren"])

    def client(self, **more):
        more.setdefault("api_key", self.stack.token)
        more.setdefault("max_retries", 0)
        return openai.OpenAI(base_url=self.stack.url + "/v1", timeout=30, **more)

    def get(self, path):
        """What the broker's own API says."""
        return self.client().get(self.stack.url + "/api/v1" + path, cast_to=object)

    def said(self, thread):
        """Sender and text of a thread's messages."""
        return [(it["from"], it["content"]) for it in self.get(f"/threads/{thread}/messages")["messages"]]

    def let_go(self):
        (self.home / "go").write_text("")


@pytest.fixture
def nexus(tmp_path):
    running = Nexus(tmp_path)
    yield running
    running.stack.stop()
