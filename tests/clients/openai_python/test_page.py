"""The commands of docs/openai.md, typed as they stand there."""

import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_what_the_page_shows_is_answered(nexus):
    page = (ROOT / "docs/openai.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    env = {**os.environ, "NEXUS_URL": nexus.stack.url, "NEXUS_TOKEN": nexus.stack.token}
    objects = []
    for line in lines:
        done = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, check=True)
        objects.append(json.loads(done.stdout)["object"])
    assert objects == ["list", "chat.completion", "response"]


def test_what_the_page_has_in_python_runs(nexus):
    page = (ROOT / "docs/openai.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    program = program.replace("http://127.0.0.1:7888", nexus.stack.url).replace("nxo_…", nexus.stack.token)
    exec(compile(program, "docs/openai.md", "exec"), {})  # noqa: S102
