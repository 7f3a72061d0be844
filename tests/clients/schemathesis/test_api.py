"""The HTTP API against its own description: schemathesis sends what the OpenAPI document allows, and what it does not,
as an admin, an operator, a viewer, an aspect and nobody, to a broker with data in it.

Runs in about two minutes. For longer, with other requests each time:

    python=$(scripts/lib/venv tests/clients/schemathesis/requirements.txt)
    NEXUS_API_EXAMPLES=2000 NEXUS_API_SEED=$RANDOM "$python" -m pytest tests/clients/schemathesis -k admin
"""

import json
import os
import pathlib
import subprocess
import sys

import world

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = os.environ.get("NEXUS_API_EXAMPLES", "5")
SEED = os.environ.get("NEXUS_API_SEED", "1")
EVERYTHING = "examples,coverage,fuzzing,stateful"
# Enough for whoever may do less: what differs is who asks.
LOOKED_AT = "examples,coverage"


class Run:
    """One run of schemathesis with one credential, or with none."""

    def __init__(self, nexus, tmp_path, token, phases):
        self.nexus = nexus
        facts, self.robin = world.build(nexus)
        self.seen = tmp_path / "seen"
        self.seen.touch()
        known = tmp_path / "world.json"
        known.write_text(json.dumps(facts))
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml", "--no-color", "run",
            f"{nexus.url}/api/v1/openapi.json", "--phases", phases, "--seed", SEED, "--max-examples", EXAMPLES,
            "--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off",
        ]
        if token:
            command += ["--header", f"Authorization: Bearer {facts[token]}"]
        environment = {
            **os.environ,
            "NEXUS_AS": token or "",
            "NEXUS_SEEN": str(self.seen),
            "NEXUS_WORLD": str(known),
            "PYTHONPATH": str(HERE),
            "SCHEMATHESIS_HOOKS": "hooks",
        }
        # Its folder for what it caches.
        self.done = subprocess.run(
            [str(part) for part in command], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        self.robin.link.close()

    def answers(self):
        """Statuses by operation id."""
        found = {}
        for line in self.seen.read_text().splitlines():
            operation, status = line.split()
            found.setdefault(operation, set()).add(int(status))
        return found

    def succeeded(self):
        return {operation for operation, statuses in self.answers().items() if any(it < 300 for it in statuses)}

    def check(self):
        assert self.done.returncode == 0, self.done.stdout + self.done.stderr
        assert world.http("GET", f"{self.nexus.url}/api/v1/nexus")["protocol"] == "nexus.v1"
        assert not [line for line in self.nexus.stack.broker.lines if "panicked" in line]
        self.nexus.nexus("verify")


def operations(nexus):
    document = world.http("GET", f"{nexus.url}/api/v1/openapi.json")
    return {
        operation["operationId"]: (method, operation)
        for item in document["paths"].values()
        for method, operation in item.items()
    }


# What somebody who may only look may do all the same: it is about themselves.
OWN = {
    "acceptInvitation", "addToken", "getToken", "logIn", "logInByToken", "logOut", "markThread", "revokeToken",
    "setPassword", "setUp", "tokenForPassword",
}
# For aspects alone.
ASPECTS = {"fetchCredential"}


def test_an_admin_meets_no_fault_and_every_operation_succeeds(nexus, tmp_path):
    run = Run(nexus, tmp_path, "admin", EVERYTHING)
    run.check()
    missing = operations(nexus).keys() - run.succeeded() - ASPECTS
    assert not missing, f"never succeeded; give them an example in world.py: {sorted(missing)}"


def test_an_operator_meets_no_fault(nexus, tmp_path):
    run = Run(nexus, tmp_path, "ada", LOOKED_AT)
    run.check()
    assert "sendMessage" in run.succeeded() and "addAspect" not in run.succeeded()


def test_an_aspect_meets_no_fault(nexus, tmp_path):
    run = Run(nexus, tmp_path, "robin", LOOKED_AT)
    run.check()
    assert ASPECTS <= run.succeeded(), sorted(run.succeeded())


def test_a_viewer_looks_and_changes_nothing(nexus, tmp_path):
    run = Run(nexus, tmp_path, "vic", LOOKED_AT)
    run.check()
    known = operations(nexus)
    acted = {it for it in run.succeeded() if known[it][0] != "get"} - OWN
    assert not acted, f"a viewer did {sorted(acted)}"


def test_nobody_gets_anything_but_what_is_public(nexus, tmp_path):
    run = Run(nexus, tmp_path, None, LOOKED_AT)
    run.check()
    known = operations(nexus)
    for operation, statuses in run.answers().items():
        if known[operation][1].get("security"):
            # 404 and 405: a path or a method there is none of.
            assert statuses <= {401, 404, 405}, (operation, statuses)
