"""Work that is handed on: a Hand that waits for its child, what it shows meanwhile, and the tree."""

import pytest
from nexus_client import ended, kinds_of, refusal, settled, uuid7


@pytest.mark.parametrize("away", [False, True], ids=["connected", "away meanwhile"])
def test_a_hand_waits_for_its_child_and_finishes(operator, robin, wren, away):
    operator.request("subscribe", {})
    root = operator.request("dispatch", {"hand": "robin/add", "input": {"a": 4, "b": 6}})["dispatch"]
    lease = robin.next_item()["body"]["lease"]
    child = robin.link.request("dispatch", {"hand": "wren/double", "input": 10, "parent": lease})["dispatch"]
    assert robin.link.request("dispatch.wait", {"lease": lease, "on": [child]}) == {
        "dispatch": root, "state": "waiting"}
    work = wren.next_item()["body"]
    assert (work["type"], work["hand"], work["input"], work["invoker"]) == ("assignment", "double", 10, "robin")
    waiting = {
        "id": root, "hand": "robin/add", "invoker": "operator/admin", "key": "operator/admin", "root": root,
        "depth": 1, "state": "waiting", "attempt": 1, "accepted_at": "time", "assigned_at": "time",
        "deadline_at": "time", "input": {"a": 4, "b": 6},
    }
    assert settled(operator.request("dispatch.status", {"dispatch": root})) == waiting
    if away:
        robin.link.cut()
    wren.link.request("dispatch.result", {"lease": work["lease"], "output": 20})
    if away:
        robin.leases = [{"lease": lease, "waiting": True}]
        assert robin.dial()["lost"] == []
    items = {it["type"]: it for it in (robin.next_item()["body"] for _ in range(2))}
    assert items == {
        "result": {
            "type": "result", "dispatch": child, "hand": "wren/double", "parent": root, "state": "done",
            "output": 20, "attempts": 1},
        "resume": {"type": "resume", "lease": lease, "wait": 1},
    }
    running = operator.request("dispatch.status", {"dispatch": root})
    assert settled(running) == {**waiting, "state": "running"}
    done = {"dispatch": root, "state": "done"}
    assert robin.link.request("dispatch.result", {"lease": lease, "output": 20}) == done
    assert operator.push("log", ended(root))["body"] == {
        "type": "dispatch_ended", "hand": "robin/add", "output": 20, "attempts": 1, **done}

    whole = [
        {
            **waiting, "id": child, "hand": "wren/double", "invoker": "robin", "parent": root, "depth": 2,
            "state": "done", "ended_at": "time", "input": 10, "output": 20},
        {**waiting, "state": "done", "ended_at": "time", "output": 20},
    ]
    assert [settled(operator.request("dispatch.status", {"dispatch": it["id"]})) for it in whole] == whole
    listed = operator.request("dispatch.list", {"root": root})
    for it in whole:
        del it["output"]
        it["input"] = None
    assert settled(listed) == {"dispatches": whole, "more": False}
    assert kinds_of(operator, root) == [
        "dispatch.accepted", "dispatch.assigned", "dispatch.waiting", "dispatch.resumed", "dispatch.ended"]
    assert kinds_of(operator, child) == ["dispatch.accepted", "dispatch.assigned", "dispatch.ended"]


def test_a_child_does_not_outlive_its_parent(operator, robin, wren):
    root = operator.request("dispatch", {"hand": "robin/add", "input": {}})["dispatch"]
    lease = robin.next_item()["body"]["lease"]
    ids = [
        robin.link.request("dispatch", {"hand": "wren/double", "input": n, "parent": lease})["dispatch"]
        for n in range(2)]
    held = wren.next_item()["body"]["lease"]
    robin.link.request("dispatch.result", {"lease": lease, "output": "done"})
    told = wren.next_item()["body"]
    assert (told["type"], told["lease"]) == ("cancel", held)
    wren.link.request("dispatch.stopped", {"lease": held})
    for dispatch in ids:
        status = operator.request("dispatch.status", {"dispatch": dispatch})
        assert (status["state"], status["error"]["code"]) == ("cancelled", "parent_ended")
    assert [it["id"] for it in operator.request("dispatch.list", {"root": root})["dispatches"]] == [
        *reversed(ids), root]
    late = {"hand": "wren/double", "input": 2, "parent": lease}
    assert refusal(robin.link, "dispatch", late) == "bad_parent"


def test_progress_is_shown_to_who_invoked_it_and_taken_from_its_worker_alone(operator, viewer, robin, wren):
    for link in (operator, viewer):
        link.request("subscribe", {"observe": True, "kinds": ["message"]})
    work = operator.request("dispatch", {"hand": "robin/add", "input": {"a": 1, "b": 1}})["dispatch"]
    lease = robin.next_item()["body"]["lease"]

    def stale(aspect, lease):
        assert refusal(aspect.link, "dispatch.progress", {"lease": lease, "note": "not so"}) == "stale_token"

    assert robin.link.request("dispatch.progress", {"lease": lease, "note": "halfway"}) == {}
    stale(wren, lease)
    stale(robin, {**lease, "attempt": 2})
    stale(robin, {**lease, "dispatch": uuid7()})
    robin.link.request("dispatch.progress", {"lease": lease, "note": "nearly"})
    robin.link.request("dispatch.result", {"lease": lease, "output": 2})
    stale(robin, lease)
    # One more work shows that what was refused is shown to nobody.
    last = operator.request("dispatch", {"hand": "robin/add", "input": {}})["dispatch"]
    robin.link.request("dispatch.progress", {"lease": robin.next_item()["body"]["lease"], "note": "the last"})
    for link in (operator, viewer):
        seen = [link.push("observe") for _ in range(3)]
        first = seen[0]["seq"]
        assert seen == [
            {
                "aspect": "robin", "seq": first + n, "turn": of, "dispatch": of,
                "what": {"type": "progress", "note": note}}
            for n, (of, note) in enumerate(((work, "halfway"), (work, "nearly"), (last, "the last")))]
    assert "note" not in operator.request("dispatch.status", {"dispatch": work})
