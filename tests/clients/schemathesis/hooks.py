"""Loaded into schemathesis: gives it requests that succeed, keeps it from shutting itself out, and notes what was
answered. What it needs to know comes from the file that `NEXUS_WORLD` names."""

import json
import os
import pathlib

import schemathesis
import world

facts = world.Nexus(json.loads(pathlib.Path(os.environ["NEXUS_WORLD"]).read_text()))
# Each answer as a line: operation id, status.
seen = open(os.environ["NEXUS_SEEN"], "a", buffering=1, encoding="utf-8")

# Who or what they name is good no more, or is somebody else's, afterwards.
TAKES_AWAY = {
    "addAspect", "addCredential", "addOperator", "allowCredential", "removeCredential", "restrainAspect", "revokeAspect",
    "revokeOperator", "revokeToken", "rotateAspectKey", "rotateCredential", "setOperatorRole",
    "setPassword",
}


def id_of(operation):
    return operation.definition.raw["operationId"]


@schemathesis.hook
def before_add_examples(context, examples):
    for parts in world.example(facts, id_of(context.operation)):
        if "cookies" in parts and not os.environ["NEXUS_AS"]:
            # Who asks as nobody brings nothing that lets them in.
            continue
        examples.append(context.operation.Case(**parts))


@schemathesis.hook
def before_call(context, case, kwargs):
    """Whom the run asks as has to stay in, or everything that follows would be 401 and prove nothing. Every request of
    every phase passes here, also those made of the description's own examples."""
    if id_of(case.operation) not in TAKES_AWAY:
        return
    for part in (case.path_parameters, case.body):
        if isinstance(part, dict):
            part.update({key: "nobody" for key, value in part.items() if isinstance(value, str) and value in world.KEPT})


@schemathesis.hook
def after_call(context, case, response):
    seen.write(f"{id_of(case.operation)} {response.status_code}\n")
