"""Who follows the log loses nothing with the link; what the broker has somebody look at stays until it is over."""

import json

from nexus_client import Events, Link, is_message, refusal, settled


def entries_up_to(link, content):
    """The entries as they came, the message of that content last."""
    got = []
    while not got or not is_message(content)(got[-1]):
        got.append(link.push("log"))
    return got


def nothing_twice_nothing_missing(entries):
    numbers = [it["seq"] for it in entries]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_subscription_goes_on_where_its_link_was_lost(nexus, operator, robin):
    head = operator.request("subscribe", {})["head"]
    lossy = Link(nexus.url, nexus.token)
    assert lossy.request("subscribe", {})["head"] == head
    robin.link.request("chat.send", {"to": ["operator/admin"], "content": "one"})
    first = entries_up_to(lossy, "one")
    lossy.cut()

    # Meanwhile there is all sorts to be missed.
    sent = operator.request("chat.send", {"to": ["robin"], "content": "two"})
    operator.request("chat.react", {"message": sent["message"], "emoji": "👀"})
    item = robin.next_item()
    robin.link.request("inbox.taken", {"message": sent["message"]})
    robin.link.request("inbox.close", {"item": item["id"], "decision": "silent"})
    operator.request("dispatch", {"hand": "robin/add", "input": {"a": 1, "b": 2}})
    robin.link.request("dispatch.result", {"lease": robin.next_item()["body"]["lease"], "output": 3})
    operator.request("thread.rename", {"thread": sent["thread"], "title": "the second"})

    again = Link(nexus.url, nexus.token)
    resumed = again.request("subscribe", {"from_seq": first[-1]["seq"]})
    assert resumed["head"] > first[-1]["seq"]
    robin.link.request("chat.send", {"to": ["operator/admin"], "content": "three"})
    second = entries_up_to(again, "three")
    assert first + second == entries_up_to(operator, "three")
    nothing_twice_nothing_missing(first + second)
    assert first[0]["seq"] == head + 1
    types = [it["body"]["type"] for it in second]
    assert [it for it in types if it != "other"] == [
        "message", "reacted", "item_taken", "item_closed", "dispatch_accepted", "dispatch_assigned",
        "dispatch_ended", "message"]
    assert second[-2]["body"] == {"type": "other", "kind": "thread.renamed", "subject": sent["thread"]}

    # A broker that was killed has the same log.
    again.cut()
    nexus.kill()
    nexus.start()
    last = Link(nexus.url, nexus.token)
    last.request("subscribe", {"from_seq": second[0]["seq"]})
    last.request("chat.send", {"to": ["robin"], "content": "four"})
    after = entries_up_to(last, "four")
    assert after[:len(second) - 1] == second[1:]
    nothing_twice_nothing_missing(after)
    last.close()


def test_a_subscription_that_is_lost_again_and_again_while_much_happens_is_whole(nexus, operator, robin):
    seq = operator.request("subscribe", {})["head"]
    writer = Link(nexus.url, nexus.token)
    requests = [writer.begin("chat.send", {"to": ["robin"], "content": str(n)}) for n in range(200)]
    got = []
    while len(got) < len(requests):
        link = Link(nexus.url, nexus.token)
        link.request("subscribe", {"from_seq": seq})
        got += [link.push("log") for _ in range(25)]
        link.cut()
        seq = got[-1]["seq"]
    for request in requests:
        writer.reply(request)
    nothing_twice_nothing_missing(got)
    assert got == entries_up_to(operator, "199")
    assert [it["body"]["content"] for it in got] == [str(n) for n in range(200)]
    writer.close()


def test_a_subscription_has_what_it_asks_for_and_says_what_cannot_be_had(operator, robin, wren):
    sent = operator.request("chat.send", {"to": ["robin", "wren"], "content": "who is there?"})
    for aspect in (robin, wren):
        aspect.link.request("chat.send", {"thread": sent["thread"], "content": f"I, {aspect.name}"})
        aspect.link.request("chat.send", {"to": ["operator/admin"], "content": f"{aspect.name}, elsewhere"})
    last = operator.request("chat.read", {"thread": sent["thread"]})["messages"][2]
    head = operator.request("subscribe", {
        "from_seq": 0, "thread": sent["thread"], "kinds": ["message"], "by": "wren"})["head"]
    assert operator.push("log") == {
        "seq": head - 1,
        "at": last["at"],
        "actor": "wren",
        "thread": sent["thread"],
        "body": {"type": "message", **last},
    }
    # The later subscription takes the place of the earlier one.
    operator.request("subscribe", {"from_seq": head - 2, "kinds": ["message"]})
    assert [operator.push("log")["seq"] for _ in range(2)] == [head - 1, head]
    # Of another history than the one there is.
    operator.request("subscribe", {"from_seq": head + 1_000})
    gap = operator.push("gap")
    assert (gap["from"], gap["to"]) == (head + 1, head + 1_000)
    robin.link.request("chat.send", {"to": ["operator/admin"], "content": "after the gap"})
    assert operator.push("log")["seq"] == head + 1
    assert operator.request("unsubscribe") == {}
    robin.link.request("chat.send", {"to": ["operator/admin"], "content": "nobody looks"})
    operator.request("subscribe", {"by": "wren", "kinds": ["message"]})
    wren.link.request("chat.send", {"to": ["operator/admin"], "content": "somebody looks"})
    assert operator.push("log")["body"]["content"] == "somebody looks"
    assert operator.pushes == []


def test_events_over_http_go_on_after_the_last_one(nexus, operator, robin):
    head = operator.request("subscribe", {})["head"]
    for n in range(3):
        robin.link.request("chat.send", {"to": ["operator/admin"], "content": str(n)})
    first = Events(nexus.url, nexus.token, query=f"from_seq={head}")
    seen = [first.next() for _ in range(2)]
    first.close()
    again = Events(nexus.url, nexus.token, last_id=seen[-1]["id"])
    robin.link.request("chat.send", {"to": ["operator/admin"], "content": "3"})
    seen += [again.next() for _ in range(2)]
    assert [json.loads(it["data"]) for it in seen] == [
        {"kind": "log", "payload": entry} for entry in entries_up_to(operator, "3")]
    assert [(it["event"], it["id"]) for it in seen] == [("log", str(head + 1 + n)) for n in range(4)]
    nexus.stack.broker.child.terminate()
    while (last := again.next())["event"] != "close":
        pass
    assert json.loads(last["data"])["code"] == 1001
    again.close()


def test_an_alert_is_raised_seen_acknowledged_and_over(operator, viewer, robin):
    operator.request("subscribe", {"kinds": ["alert"]})
    assert viewer.request("alert.list") == {"alerts": [], "more": False}
    assert robin.link.request("session.stuck", {"session": "global", "reason": "the file is torn"}) == {}
    raised = operator.push("log")
    alert = {
        "key": "session_stuck/robin/global",
        "kind": "session_stuck",
        "severity": "urgent",
        "nature": "event",
        "subject": "robin/global",
        "message": "the file is torn",
        "seq": raised["seq"],
        "raised_at": "time",
        "times": 1,
    }
    shown = settled(viewer.request("alert.list"))
    assert shown == {"alerts": [alert], "more": False}
    assert (raised["actor"], raised["body"]) == ("system", {
        "type": "alert", "change": "raised",
        **{key: alert[key] for key in ("key", "kind", "subject", "message")}})
    # The same cause again is the same alert.
    robin.link.request("session.stuck", {"session": "global", "reason": "it is still torn"})
    [again] = viewer.request("alert.list")["alerts"]
    assert (again["key"], again["times"], again["seq"]) == (alert["key"], 2, alert["seq"] + 1)

    for link in (viewer, robin.link):
        assert refusal(link, "alert.ack", {"key": alert["key"]}) == "forbidden"
    acknowledged = operator.request("alert.ack", {"key": alert["key"]})
    assert settled(acknowledged) == {
        **settled(again), "acked_at": "time", "acked_by": "operator/admin", "cleared_at": "time"}
    entry = operator.push("log", lambda it: it["body"]["change"] == "acknowledged")
    assert (entry["actor"], entry["body"]) == (
        "operator/admin", {**raised["body"], "change": "acknowledged", "message": "it is still torn"})
    assert operator.request("alert.ack", {"key": alert["key"]}) == acknowledged
    assert viewer.request("alert.list")["alerts"] == []
    assert viewer.request("alert.list", {"all": True}) == {"alerts": [acknowledged], "more": False}
    assert refusal(operator, "alert.ack", {"key": "session_stuck/wren/global"}) == "not_found"


def test_a_condition_goes_by_itself_whoever_has_acknowledged_it(operator, robin):
    operator.request("subscribe", {"kinds": ["alert"]})
    robin.link.request("settings.broken", {"reason": "line 3 is no JSON"})
    assert operator.push("log")["body"]["change"] == "raised"
    operator.request("alert.ack", {"key": "settings_broken/robin"})
    [open_still] = operator.request("alert.list")["alerts"]
    assert (open_still["nature"], open_still["acked_by"]) == ("condition", "operator/admin")
    assert "line 3 is no JSON" in open_still["message"]
    robin.link.request("settings.broken", {})
    assert operator.push("log", lambda it: it["body"]["change"] == "cleared")["actor"] == "system"
    assert operator.request("alert.list")["alerts"] == []
    [over] = operator.request("alert.list", {"all": True})["alerts"]
    assert settled(over) == {**settled(open_still), "cleared_at": "time"}


def test_a_thread_that_aspects_fill_waits_for_a_person(operator, robin, wren):
    operator.request("subscribe", {"kinds": ["alert"]})
    sent = robin.link.request("chat.send", {"to": ["wren"], "content": "0"})
    names = [robin, wren]
    for n in range(1, 20):
        names[n % 2].link.request("chat.send", {"thread": sent["thread"], "content": str(n)})
    assert refusal(robin.link, "chat.send", {"thread": sent["thread"], "content": "20"}) == "thread_paused"
    key = f"thread_paused/{sent['thread']}"
    assert [it["key"] for it in operator.request("alert.list")["alerts"]] == [key]
    operator.request("chat.send", {"thread": sent["thread"], "content": "go on, and be brief"})
    assert operator.request("alert.list")["alerts"] == []
    assert robin.link.request("chat.send", {"thread": sent["thread"], "content": "20"})["recipients"] == [
        "wren", "operator/admin"]
