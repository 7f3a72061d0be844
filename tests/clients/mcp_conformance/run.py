"""Runs the public MCP conformance suite against a real broker with `--conformance-fixtures`.

    python3 tests/clients/mcp_conformance/run.py [stable|2025-11-25|2026-07-28] [scenario]

What is expected to fail is listed, each with its reason, in the expected-*.yaml beside this. The suite fails when
something else does, and when one of those does not any more. It needs node 22 or later on PATH and `npm ci` here.
"""

import asyncio
import contextlib
import pathlib
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts/lib"))
import stack  # noqa: E402

RUNS = {
    # The release that most implementations are measured with.
    "stable": ("conformance-stable", ["--suite", "active"]),
    # What each generation of the protocol requires, as the suite has it written down.
    "2025-11-25": ("conformance-next", ["--requirements", "2025-11-25"]),
    "2026-07-28": ("conformance-next", ["--requirements", "2026-07-28"]),
}


class Door:
    """Adds the bearer token, which the suite does not send, to what goes to the broker."""

    def __init__(self, port, token):
        self.port, self.token = port, token
        self.loop = asyncio.new_event_loop()
        # The loop itself keeps no task alive that waits for a peer which does not read.
        self.under_way = set()
        server = self.loop.run_until_complete(asyncio.start_server(self.pass_on, "127.0.0.1", 0, limit=1 << 20))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def pass_on(self, reader, writer):
        self.under_way.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
            lines += [b"Authorization: Bearer " + self.token.encode(), b"Connection: close"]
            inside, outside = await asyncio.open_connection("127.0.0.1", self.port)
            outside.write(b"\r\n".join(lines) + b"\r\n\r\n")
            there = asyncio.create_task(self.copy(reader, outside))
            await self.copy(inside, writer)
            there.cancel()
            outside.close()
        except (OSError, asyncio.IncompleteReadError):
            pass  # One side has gone; the other is told by the close.
        finally:
            self.under_way.discard(asyncio.current_task())
            writer.close()

    @staticmethod
    async def copy(reader, writer):
        with contextlib.suppress(OSError):  # Whoever has gone takes nothing more.
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()


def run(name, url, scenario, results):
    package, which = RUNS[name]
    if scenario:
        which = ["--scenario", scenario] + (["--spec-version", name] if name != "stable" else [])
    command = ["node", HERE / "node_modules" / package / "dist/index.js", "server", "--url", url, *which]
    command += ["--verbose"] if scenario else ["--expected-failures", HERE / f"expected-{name}.yaml"]
    print(f"== {name}", flush=True)
    return subprocess.run([str(part) for part in command], cwd=results, check=False).returncode


def main(names, scenario):
    with tempfile.TemporaryDirectory() as folder:
        running = stack.Stack(stack.bin_dir(), pathlib.Path(folder) / "data", flags=["--conformance-fixtures"])
        try:
            running.start_broker()
            door = Door(int(running.url.rsplit(":", 1)[1]), running.token)
            failed = [name for name in names if run(name, door.url, scenario, folder)]
        finally:
            running.stop()
    if failed:
        sys.exit("the MCP conformance suite is not as expected: " + ", ".join(failed))


if __name__ == "__main__":
    chosen, one = sys.argv[1:2] or list(RUNS), (sys.argv[2:3] or [None])[0]
    main(chosen, one)
