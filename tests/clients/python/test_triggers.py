"""What the team does while nobody types, and what becomes of each time that it is due."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from nexus_client import HttpProblem, http_bytes, other, refusal, settled, uuid7

SWEEP = {
    "name": "sweep",
    "when": "manual",
    "do": {"dispatch": {"hand": "robin/add", "input": {"a": "{{ payload.a }}"}}},
}


def worked(robin):
    given = robin.next_item()["body"]
    robin.link.request("dispatch.result", {"lease": given["lease"], "output": "swept"})
    return given


def test_a_trigger_is_defined_fired_and_looked_back_at(operator, viewer, robin, wren):
    operator.request("subscribe", {})
    for link in (viewer, robin.link):
        assert refusal(link, "trigger.put", SWEEP) == "forbidden"
    assert refusal(operator, "trigger.put", {**SWEEP, "whenever": 1}) == "bad_frame"
    made = operator.request("trigger.put", SWEEP)
    assert (made["definition"]["name"], made["owner"], made["status"]) == ("sweep", "operator/admin", "active")
    assert operator.request("trigger.put", {**SWEEP, "if_defined_at": made["defined_at"]}) == made
    assert refusal(operator, "trigger.put", {**SWEEP, "if_defined_at": 0}) == "conflict"
    # An aspect sees those that are for it.
    assert robin.link.request("trigger.list") == {"triggers": [made], "more": False}
    assert wren.link.request("trigger.list") == {"triggers": [], "more": False}
    assert viewer.request("trigger.get", {"trigger": "sweep"}) == made

    fired = operator.request("trigger.fire", {"trigger": "sweep", "payload": {"a": 4}})
    given = worked(robin)
    assert given["input"] == {"a": 4}
    operator.push("log", other("trigger.ended", "sweep"))
    [slot] = viewer.request("trigger.history", {"trigger": "sweep"})["slots"]
    assert (fired["trigger"], fired["slot"]["no"], fired["slot"]["cause"]) == ("sweep", slot["no"], slot["cause"])
    assert (slot["cause"], slot["state"], slot["attempts"], slot["work"]) == (
        {"person": "operator/admin"}, "done", 1, {"dispatch": given["lease"]["dispatch"]})
    status = operator.request("dispatch.status", {"dispatch": given["lease"]["dispatch"]})
    assert status["source"] == {"trigger": "sweep"}

    paused = operator.request("trigger.pause", {"trigger": "sweep", "reason": "the disk is being changed"})
    assert (paused["status"], paused["reason"]) == (
        "paused", "by operator/admin: the disk is being changed")
    assert operator.request("trigger.resume", {"trigger": "sweep"})["status"] == "active"
    assert operator.request("trigger.delete", {"trigger": "sweep"})["deleted"] is True
    assert refusal(viewer, "trigger.get", {"trigger": "sweep"}) == "not_found"


def test_the_plan_of_a_trigger_is_shown(operator, viewer, robin):
    ask = {"ask": {"aspect": "robin", "text": "What changed on {{ date.yesterday }}?"}}
    when = {"cron": "0 8 * * *"}
    made = operator.request("trigger.put", {"name": "morning", "when": when, "timezone": "Asia/Tokyo", "do": ask})
    plan = viewer.request("trigger.next", {"trigger": "morning", "limit": 3})["slots"]
    assert [it["slot"] - plan[0]["slot"] for it in plan] == [0, 86_400_000, 2 * 86_400_000]
    assert made["next"] == plan[0]["slot"]
    # Eight in Tokyo is eleven in the evening before, in UTC.
    assert time.gmtime(plan[0]["slot"] / 1000)[3:6] == (23, 0, 0)


def test_a_service_outside_sets_work_off_by_a_signed_request(nexus, operator, robin):
    add = {"dispatch": {"hand": "robin/add", "input": {"a": "{{ payload.body.a }}"}}}
    operator.request("trigger.put", {"name": "called", "when": {"webhook": {}}, "do": add})
    request = uuid7()
    made = operator.request("trigger.rotate", {"trigger": "called"}, request)
    assert made["path"] == "/hooks/called"
    assert operator.request("trigger.rotate", {"trigger": "called"}, request)["secret"] == made["secret"]
    # Without an overlap the one before is good for nothing.
    secret = operator.request("trigger.rotate", {"trigger": "called", "overlap_s": 0})["secret"]

    def call(secret, name="msg_1", body=b'{"a": 7}'):
        # As Standard Webhooks has it.
        key, at = base64.b64decode(secret.removeprefix("whsec_")), int(time.time())
        mac = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "webhook-id": name, "webhook-timestamp": str(at),
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}", "Content-Type": "application/json"}
        status, _, raw = http_bytes("POST", nexus.url + made["path"], body, headers=headers)
        return status, json.loads(raw)

    with pytest.raises(HttpProblem) as forged:
        call(made["secret"])
    assert forged.value.status == 401
    status, taken = call(secret)
    assert (status, taken["trigger"], taken["duplicate"]) == (202, "called", False)
    status, again = call(secret)
    assert (status, again["slot"], again["duplicate"]) == (200, taken["slot"], True)
    assert worked(robin)["input"] == {"a": 7}
    [slot] = operator.request("trigger.history", {"trigger": "called"})["slots"]
    assert (slot["no"], slot["cause"]) == (taken["slot"], {"webhook": "msg_1"})


def test_an_aspect_reports_files_that_have_changed(operator, robin, dialled):
    tern = dialled("tern", watches=[{"name": "inbox", "description": "what the bank sends"}])
    arrived = {"name": "arrived", "when": {"files": {"watch": "tern/inbox"}}, "do": {"dispatch": {
        "hand": "robin/add", "input": {"of": "{{ payload.changes[0].path }}"}}}}
    operator.request("trigger.put", arrived)
    report = {"watch": "inbox", "changes": [{"path": "march.csv", "kind": "created", "size": 3}]}
    assert refusal(operator, "watch.changed", report) == "forbidden"
    request = uuid7()
    taken = tern.link.request("watch.changed", report, request)
    assert taken == {"triggers": ["arrived"]}
    assert tern.link.request("watch.changed", report, request) == taken
    assert worked(robin)["input"] == {"of": "march.csv"}
    [slot] = operator.request("trigger.history", {"trigger": "arrived"})["slots"]
    assert slot["cause"] == {"files": request}

    assert tern.link.request("watch.failing", {"watch": "inbox", "reason": "no such folder"}) == {}
    [alert] = operator.request("alert.list")["alerts"]
    assert (alert["kind"], settled(alert)["raised_at"]) == ("watch_failing", "time")
    assert tern.link.request("watch.failing", {"watch": "inbox"}) == {}
    assert operator.request("alert.list")["alerts"] == []
