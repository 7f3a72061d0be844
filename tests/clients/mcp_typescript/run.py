"""Starts a broker and an aspect, and runs mcp.test.mjs against them with node.

It is the broker's keeper, too: when a test kills it, it comes back at the same address. Needs what
tests/clients/python/requirements.txt names, node 22 or later on PATH, and `npm ci` here.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / "scripts/lib"), str(HERE.parent / "python")]
import stack  # noqa: E402
from nexus_client import Aspect, Refused  # noqa: E402


def work(robin, go):
    """Answers what it is asked once its caller has heard of it, which the file `go` says; what is to `wait` it never does."""
    while True:
        try:
            robin.dial()
            while True:
                item = robin.next_item()["body"]
                if item["type"] != "assignment" or item["hand"] == "wait":
                    continue
                robin.link.request("dispatch.progress", {"lease": item["lease"], "note": "half of it"})
                while not go.exists():
                    time.sleep(0.02)
                go.unlink()
                given = item["input"]
                output = {"sum": given["a"] + given["b"]}
                robin.link.request("dispatch.result", {"lease": item["lease"], "output": output})
        except Refused as error:
            print(f"robin: {error}", flush=True)
        except Exception:  # noqa: BLE001
            # The link broke; it is dialled again until this process ends.
            time.sleep(0.2)


def keep(running, over):
    while not over.wait(0.05):
        if running.broker.child.poll() is not None:
            running.start_broker()


def main():
    number = {"type": "integer"}
    schema = {"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]}
    hands = [
        {"name": "add-up", "description": "adds a and b", "timeout_s": 60, "input_schema": schema},
        {"name": "wait", "description": "takes its time", "timeout_s": 60},
    ]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        home = folder / "robin"
        home.mkdir()
        (home / "aspect.json").write_text(json.dumps({"name": "robin"}))
        running, over = stack.Stack(stack.bin_dir(), folder / "data"), threading.Event()
        running.start_broker()
        running.add_aspect(home)
        robin = Aspect(running.url, json.loads((home / ".nexus/key.json").read_text()), hands=hands, slots=9)
        threading.Thread(target=work, args=(robin, folder / "go"), daemon=True).start()
        running.wait_online(["robin"])
        keeper = threading.Thread(target=keep, args=(running, over))
        keeper.start()
        env = {**os.environ, "NEXUS_URL": running.url, "NEXUS_TOKEN": running.token, "NEXUS_DATA": str(running.data), "GO": str(folder / "go")}
        try:
            done = subprocess.run(["node", "--test", HERE / "mcp.test.mjs"], env=env, timeout=120, check=False)
        finally:
            over.set()
            keeper.join()
            running.stop()
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
