"""What people do about work and aspects: trying again, ending what is gathered, and keeping an aspect off."""

import pytest
from nexus_client import Link, Refused, ended, kinds_of, refusal, settled, uuid7


def test_what_failed_is_tried_again_as_new_work(operator, viewer, robin, wren):
    operator.request("subscribe", {})
    asked = {"hand": "robin/add", "input": {"a": 1}, "deadline_s": 60}
    first = operator.request("dispatch", asked)["dispatch"]
    assert refusal(operator, "dispatch.retry", {"dispatch": first}) == "invalid"
    failure = {"code": "too_hard", "message": "not on a Monday"}
    robin.link.request("dispatch.result", {"lease": robin.next_item()["body"]["lease"], "error": failure})
    operator.push("log", ended(first))
    assert [it["id"] for it in operator.request("dispatch.list", {"dead": True})["dispatches"]] == [first]
    for link in (viewer, wren.link):
        assert refusal(link, "dispatch.retry", {"dispatch": first}) == "forbidden"

    request = uuid7()
    again = operator.request("dispatch.retry", {"dispatch": first}, request)
    assert (again["chosen"], again["clamped"]) == ("robin/add", False)
    second = again["dispatch"]
    assert operator.request("dispatch.retry", {"dispatch": first}, request)["dispatch"] == second
    old, new = (operator.request("dispatch.status", {"dispatch": it}) for it in (first, second))
    assert (old["retried_as"], new["retry_of"], new["root"]) == (second, first, second)
    assert (new["input"], new["deadline_at"] - new["accepted_at"]) == ({"a": 1}, 60_000)
    work = robin.next_item()["body"]
    assert (work["lease"], work["input"]) == ({"dispatch": second, "attempt": 1}, {"a": 1})
    robin.link.request("dispatch.result", {"lease": work["lease"], "output": 1})
    assert operator.push("log", ended(second))["body"]["state"] == "done"
    assert operator.request("dispatch.list", {"dead": True}) == {"dispatches": [], "more": False}
    assert kinds_of(operator, first) == [
        "dispatch.accepted", "dispatch.assigned", "dispatch.ended", "dispatch.retried"]


def test_a_gather_is_ended_before_it_is_decided(operator, robin, wren):
    works = [wren.link.request("dispatch", {"hand": "robin/add", "input": n})["dispatch"] for n in range(3)]
    gather = wren.link.request("gather", {"dispatches": works, "policy": "n", "n": 2})["gather"]
    robin.link.request("dispatch.result", {"lease": robin.next_item()["body"]["lease"], "output": "zero"})
    status = operator.request("gather.status", {"gather": gather})
    info = {
        "id": gather, "invoker": "wren", "policy": "n", "need": 2, "cancel_rest": True, "state": "open",
        "accepted_at": "time", "deadline_at": "time", "clamped": False,
        "members": [{"dispatch": works[0], "ended": "done"}, {"dispatch": works[1]}, {"dispatch": works[2]}],
    }
    assert settled(status) == info
    for link, shown in ((operator, [status]), (wren.link, [status]), (robin.link, [])):
        assert link.request("gather.list") == {"gathers": shown, "more": False}
    assert refusal(robin.link, "gather.cancel", {"gather": gather}) == "not_found"

    # Two places are robin's: both are told to stop.
    assert [robin.next_item()["body"]["lease"]["dispatch"] for _ in range(2)] == works[1:]
    cancelled = operator.request("gather.cancel", {"gather": gather, "reason": "one is enough"})
    rest = {
        "cancelled": works[1:], "stopped": [], "unconfirmed": works[1:], "unreachable": [], "already_ended": []}
    assert cancelled == {"gather": gather, "state": "cancelled", "rest": rest}
    items = [wren.next_item()["body"] for _ in range(4)]
    [end] = [it for it in items if it["type"] == "gather"]
    reason = end.pop("reason")
    assert "operator/admin" in reason and "one is enough" in reason
    done = {"dispatch": works[0], "hand": "robin/add", "state": "done", "output": "zero", "attempts": 1}
    assert end == {
        "type": "gather", "gather": gather, "state": "cancelled", "need": 2, "outcomes": [done], "open": works[1:],
        "left_out": []}
    assert {it["dispatch"]: it["state"] for it in items if it["type"] == "result"} == {
        works[0]: "done", works[1]: "cancelled", works[2]: "cancelled"}
    for lease in [robin.next_item()["body"]["lease"] for _ in range(2)]:
        assert robin.link.request("dispatch.stopped", {"lease": lease}) == {}
    shown = settled(wren.link.request("gather.status", {"gather": gather}))
    assert (shown["state"], shown["ended_at"], shown["reason"]) == ("cancelled", "time", reason)
    # What has ended is answered with its state.
    late = wren.link.request("gather.cancel", {"gather": gather})
    assert (late["state"], late["rest"]["cancelled"]) == ("cancelled", [])
    assert operator.request("gather.list") == {"gathers": [], "more": False}


def row(link, name):
    [it] = [it for it in link.request("team.list")["aspects"] if it["name"] == name]
    return it


def test_an_aspect_that_is_held_stays_off_until_it_is_released(nexus, operator, viewer, robin):
    why = {"name": "robin", "kind": "held", "reason": "it deletes files"}
    for link in (viewer, robin.link):
        assert refusal(link, "aspect.restrain", why) == "forbidden"
    held = operator.request("aspect.restrain", why)
    assert settled(held) == {
        "aspect": "robin",
        "restraint": {"kind": "held", "reason": "it deletes files", "by": "operator/admin", "at": "time"}}
    assert robin.link.closed() == 4004
    # It holds across restarts of the broker.
    nexus.kill()
    nexus.start()
    with pytest.raises(Refused) as off:
        robin.dial()
    assert (off.value.code, off.value.payload["details"]) == ("held", {"restraint": held["restraint"]})
    robin.link.close()
    admin = Link(nexus.url, nexus.token)
    shown = row(admin, "robin")
    assert (shown["state"], shown["restraint"]) == ("offline", held["restraint"])
    assert admin.request("aspect.release", {"name": "robin"}) == {"aspect": "robin"}
    robin.dial()
    shown = row(admin, "robin")
    assert (shown["state"], "restraint" in shown) == ("online", False)
    kinds = [it for it in kinds_of(admin, "robin") if it in ("aspect.held", "aspect.paused", "aspect.released")]
    assert kinds == ["aspect.held", "aspect.released"]
    admin.close()


def test_an_aspect_that_is_paused_finishes_what_it_has_and_is_given_nothing(operator, robin):
    first = operator.request("dispatch", {"hand": "robin/add", "input": 1})["dispatch"]
    lease = robin.next_item()["body"]["lease"]
    operator.request("aspect.restrain", {"name": "robin", "kind": "paused", "reason": "its disk is full"})
    shown = row(operator, "robin")
    assert (shown["state"], shown["restraint"]["kind"]) == ("offline", "paused")
    second = operator.request("dispatch", {"hand": "robin/add", "input": 2})["dispatch"]
    waits = operator.request("dispatch.status", {"dispatch": second})
    assert (waits["state"], waits["waiting_for"]) == ("pending", "aspect")
    done = robin.link.request("dispatch.result", {"lease": lease, "output": 1})
    assert done == {"dispatch": first, "state": "done"}
    operator.request("aspect.release", {"name": "robin"})
    assert robin.next_item()["body"]["lease"]["dispatch"] == second


def test_who_says_goodbye_is_offline_at_once(operator, robin):
    operator.request("subscribe", {"roster": True})
    assert robin.link.request("deregister", {"reason": "the day is over"}) == {}
    assert robin.link.closed() == 1000
    gone = operator.push("roster.changed", lambda it: it["aspect"]["state"] == "offline")
    assert (gone["aspect"]["name"], gone["aspect"]["generation"]) == ("robin", 1)
    operator.request("chat.send", {"to": ["robin"], "content": "for tomorrow"})
    assert robin.dial()["generation"] == 2
    assert robin.next_item()["body"]["content"] == "for tomorrow"
