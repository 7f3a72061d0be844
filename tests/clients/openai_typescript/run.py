"""Starts a broker and an aspect, and runs the tests of the client for TypeScript against them.

Run by the Python of the tests in openai_python, whose aspect it is; node is the one on PATH.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "openai_python"))
from conftest import Nexus  # noqa: E402
from embedder import KEY, SETTINGS, Embedder  # noqa: E402

with tempfile.TemporaryDirectory(prefix="nexus-openai-") as folder:
    os.environ["EMBEDDER_KEY"] = KEY
    embedder = Embedder()
    nexus = Nexus(pathlib.Path(folder), SETTINGS.format(url=embedder.url))
    try:
        env = {**os.environ, "NEXUS_URL": nexus.stack.url, "NEXUS_TOKEN": nexus.stack.token}
        env |= {"NEXUS_PID": str(nexus.stack.broker.child.pid)}
        done = subprocess.run(["node", "--test", "--test-reporter=dot", "openai.test.mjs"], cwd=HERE, env=env, check=False)
    finally:
        nexus.stack.stop()
        embedder.stop()
sys.exit(done.returncode)
