"""Several steps as one piece of work: kept, run, and run again where it came to nothing."""

import pytest
from nexus_client import Refused, kinds_of, other, refusal, settled, uuid7

FLOW = {
    "id": "sum-up",
    "description": "Robin adds, and somebody agrees.",
    "input": {"type": "object", "required": ["a"]},
    "steps": [
        {"id": "sum", "do": {"dispatch": {"hand": "robin/add", "input": {"a": "{{ input.a }}"}}}},
        {"id": "leave", "needs": ["sum"], "do": {
            "approve": {"text": "Is it {{ steps.sum.output }}?", "on_timeout": "fail"}}},
    ],
    "output": "{{ steps.sum.output }}",
}


def worked(robin, **result):
    """Robin's step: what it is given, and what it says."""
    given = robin.next_item()["body"]
    robin.link.request("dispatch.result", {"lease": given["lease"], **result})
    return given["input"]


def test_a_flow_is_kept_and_run_to_its_end(operator, viewer, robin, wren):
    operator.request("subscribe", {})
    assert refusal(viewer, "flow.put", {"flow": FLOW}) == "forbidden"
    wrong = {**FLOW, "steps": [{**FLOW["steps"][0], "needs": ["nothing"]}]}
    with pytest.raises(Refused) as unfit:
        operator.request("flow.put", {"flow": wrong})
    assert (unfit.value.code, len(unfit.value.payload["details"]["faults"])) == ("invalid", 1)
    kept = operator.request("flow.put", {"flow": FLOW})
    assert kept == {"flow": "sum-up", "version": 1, "changed": True}
    assert operator.request("flow.put", {"flow": FLOW}) == {**kept, "changed": False}
    got = settled(wren.link.request("flow.get", {"flow": "sum-up"}))
    assert got == {"flow": FLOW, "version": 1, "by": "operator/admin", "at": "time"}
    assert settled(viewer.request("flow.list")) == {
        "flows": [{
            "id": "sum-up", "description": FLOW["description"], "version": 1, "steps": 2, "by": "operator/admin",
            "at": "time"}],
        "more": False}

    assert refusal(operator, "run.start", {"flow": "sum-up", "input": {}}) == "invalid"
    assert refusal(operator, "run.start", {"flow": "another"}) == "not_found"
    request, asked = uuid7(), {"flow": "sum-up", "input": {"a": 2}}
    started = wren.link.request("run.start", asked, request)
    run = started["run"]
    assert started == {"run": run, "flow": "sum-up", "version": 1, "state": "running"}
    assert wren.link.request("run.start", asked, request)["run"] == run
    assert worked(robin, output=5) == {"a": 2}
    operator.push("log", lambda it: it["body"].get("kind") == "approval.asked")
    [asks] = operator.request("approval.list")["approvals"]
    assert (asks["run"], asks["aspect"], "Is it 5?" in str(asks["asked"])) == (run, "wren", True)
    [open_still] = wren.link.request("run.list", {"flow": "sum-up"})["runs"]
    assert (open_still["id"], open_still["state"]) == (run, "running")
    assert robin.link.request("run.list", {"all": True}) == {"runs": [], "more": False}
    operator.request("approval.answer", {"approval": asks["id"], "verdict": "approve"})
    # Who started it hears of its end, and of nothing on the way.
    assert wren.next_item()["body"] == {
        "type": "run", "run": run, "flow": "sum-up", "state": "done", "output": 5}
    shown = settled(operator.request("run.get", {"run": run}))
    step = {"state": "done", "times": 1, "began_at": "time", "ended_at": "time"}
    assert shown["info"] == {
        "id": run, "flow": "sum-up", "version": 1, "by": "wren", "depth": 0, "state": "done", "accepted_at": "time",
        "began_at": "time", "ended_at": "time", "tasks": 2,
        "steps": [{"id": "sum", **step}, {"id": "leave", **step}]}
    assert (shown["flow"], shown["input"], shown["output"]) == (FLOW, {"a": 2}, 5)
    assert [(it["step"], it["index"], it["attempt"], it["state"]) for it in shown["tasks"]] == [
        ("sum", 0, 1, "done"), ("leave", 0, 1, "done")]
    assert kinds_of(operator, run) == ["run.started", "run.ended"]

    assert operator.request("flow.delete", {"flow": "sum-up"}) == {"flow": "sum-up", "deleted": True}
    assert refusal(wren.link, "flow.get", {"flow": "sum-up"}) == "not_found"


def test_a_run_that_failed_is_run_again_and_another_is_cancelled(operator, robin, wren):
    operator.request("subscribe", {})
    operator.request("flow.put", {"flow": FLOW})
    first = operator.request("run.start", {"flow": "sum-up", "input": {"a": 1}})["run"]
    failure = {"code": "too_hard", "message": "not on a Monday"}
    worked(robin, error=failure)
    operator.push("log", other("run.ended", first))
    info = operator.request("run.get", {"run": first})["info"]
    assert (info["state"], info["error"]["code"], info["steps"][0]["error"]["code"]) == (
        "failed", "too_hard", "too_hard")
    assert [it["key"] for it in operator.request("alert.list")["alerts"]] == ["run_failed/sum-up"]
    assert refusal(wren.link, "run.retry", {"run": first}) == "forbidden"
    again = operator.request("run.retry", {"run": first})
    assert again == {"run": again["run"], "flow": "sum-up", "version": 1, "state": "running"}
    assert worked(robin, output=2) == {"a": 1}
    listed = {it["id"]: it for it in operator.request("run.list", {"all": True})["runs"]}
    assert (listed[first]["retried_as"], listed[again["run"]]["retry_of"]) == (again["run"], first)

    cancelled = operator.request("run.cancel", {"run": again["run"], "reason": "not today"})
    assert (cancelled["id"], cancelled["state"], cancelled["error"]["code"]) == (
        again["run"], "cancelled", "cancelled")
    assert operator.request("run.list") == {"runs": [], "more": False}
    assert operator.request("approval.list")["approvals"] == []
    # What was done stays done.
    third = operator.request("run.retry", {"run": again["run"]})["run"]
    steps = operator.request("run.get", {"run": third})["info"]["steps"]
    assert [(it["id"], it["state"], it.get("kept", False)) for it in steps] == [
        ("sum", "done", True), ("leave", "running", False)]
