"""An operator looks into the sessions of an aspect, which the test plays."""

import pytest
from nexus_client import Refused, refusal, settled, uuid7

E1, E2, E3, E9 = (uuid7() for _ in range(4))

ENTRIES = [
    {"id": E1, "kind": "message", "at": 1_760_000_000_000, "active": True, "summary": "what is new?"},
    {"id": E2, "parent": E1, "kind": "message", "at": 1_760_000_001_000, "active": True, "summary": "nothing"},
    {"id": E3, "parent": E1, "kind": "message", "at": 1_760_000_002_000, "active": False, "summary": "a lot"},
]


def projected(operator, aspect, kind, payload, about, answer):
    """One look: what the aspect is asked, and what the operator gets."""
    request = operator.begin(kind, {"of": aspect.name, **payload})
    asked = aspect.link.push("session.ask")
    assert asked["about"] == about
    aspect.link.request("session.answer", {"question": asked["question"], **answer})
    return operator.reply(request)


def test_what_an_aspect_answers_about_its_sessions_is_shown(operator, viewer, robin):
    sessions = {"sessions": [{"session": "global", "kind": "global", "bytes": 120, "at": 1_760_000_002_000}]}
    paged = {"limit": 50, "cursor": None}
    assert projected(
        operator, robin, "session.list", {}, {"type": "list", **paged}, {"answer": sessions}) == sessions
    tree = {"session": "global", "head": E2, "entries": ENTRIES[:2], "cursor": "2"}
    assert projected(
        viewer, robin, "session.tree", {"session": "global", "limit": 2},
        {"type": "tree", "session": "global", "limit": 2, "cursor": None}, {"answer": tree}) == tree
    rest = {"session": "global", "head": E2, "entries": ENTRIES[2:]}
    assert projected(
        viewer, robin, "session.tree", {"session": "global", "limit": 2, "cursor": "2"},
        {"type": "tree", "session": "global", "limit": 2, "cursor": "2"}, {"answer": rest}) == rest
    whole = {"entry": {"id": E2, "parent": E1, "anything": ["at", "all"]}}
    assert projected(
        operator, robin, "session.entry", {"session": "global", "entry": E2},
        {"type": "entry", "session": "global", "entry": E2}, {"answer": whole}) == whole
    diff = {
        "session": "global",
        "common": E1,
        "one": {"leaf": E3, "entries": ENTRIES[2:], "left_out": 0},
        "other": {"leaf": E2, "entries": ENTRIES[1:2], "left_out": 0},
    }
    assert projected(
        operator, robin, "session.diff", {"session": "global", "one": E3},
        {"type": "diff", "session": "global", "one": E3, "other": None}, {"answer": diff}) == diff
    expanded = {"session": "global", "entry": E2, "entries": ENTRIES[:1]}
    assert projected(
        operator, robin, "session.expand", {"session": "global", "entry": E2},
        {"type": "expand", "session": "global", "entry": E2, **paged}, {"answer": expanded}) == expanded


def test_questions_are_answered_in_any_order_and_refused_as_the_aspect_says(operator, viewer, robin, wren):
    first = operator.begin("session.list", {"of": "robin"})
    second = viewer.begin("session.list", {"of": "robin"})
    asked = [robin.link.push("session.ask")["question"] for _ in range(2)]
    assert asked[0] != asked[1]
    for question, size in zip(reversed(asked), (2, 1)):
        one = {"session": "global", "kind": "global", "bytes": size, "at": 1_760_000_000_000}
        robin.link.request("session.answer", {"question": question, "answer": {"sessions": [one]}})
    shown = [operator.reply(first)["sessions"], viewer.reply(second)["sessions"]]
    assert sorted(it["bytes"] for [it] in shown) == [1, 2]

    with pytest.raises(Refused) as none:
        projected(
            operator, robin, "session.entry", {"session": "global", "entry": E9},
            {"type": "entry", "session": "global", "entry": E9},
            {"error": {"code": "not_found", "message": "no such entry", "retryable": False}})
    assert none.value.code == "not_found"
    assert refusal(operator, "session.list", {"of": "nobody"}) == "not_found"
    for aspect in (wren, robin):
        assert refusal(aspect.link, "session.list", {"of": "robin"}) == "forbidden"
    # What another answers counts for nothing.
    request = operator.begin("session.list", {"of": "robin"})
    question = robin.link.push("session.ask")["question"]
    wren.link.request("session.answer", {"question": question, "answer": {"sessions": []}})
    robin.link.cut()
    with pytest.raises(Refused) as gone:
        operator.reply(request)
    assert (gone.value.code, gone.value.payload["retryable"]) == ("unavailable", True)
    assert refusal(operator, "session.list", {"of": "robin"}) == "unavailable"


def test_a_session_is_rewound_by_its_aspect_when_it_comes_to_it(operator, viewer, robin):
    operator.request("subscribe", {})
    robin.link.cut()
    asked = {"of": "robin", "session": "global", "entry": E1}
    assert refusal(viewer, "session.rewind", asked) == "forbidden"
    command = operator.request("session.rewind", asked)["command"]
    status = {
        "command": command, "of": "robin", "session": "global", "act": {"type": "rewind", "entry": E1},
        "by": "operator/admin", "at": "time", "state": "pending",
    }
    assert settled(viewer.request("session.status", {"command": command})) == status
    robin.dial()
    item = robin.next_item()
    assert (item["id"], item["body"]) == (command, {
        "type": "session", "session": "global", "by": "operator/admin", "act": {"type": "rewind", "entry": E1}})
    outcome = {"session": "global", "head": E1}
    robin.link.request("inbox.close", {"item": command, "decision": "acted", "outcome": outcome})
    assert operator.push("log", lambda it: it["body"]["type"] == "item_closed")["body"]["item"] == command
    assert settled(viewer.request("session.status", {"command": command})) == {
        **status, "state": "done", "ended_at": "time", "outcome": outcome}
    [entry] = operator.request("audit.list", {"subject": "robin/global"})["entries"]
    assert (entry["kind"], entry["actor"]) == ("session.rewind", "operator/admin")


TURN = uuid7()


@pytest.mark.parametrize("kind, asked, session, act, outcome", [
    (
        "session.fork", {"session": "global", "entry": E2, "say": "and then?"}, "global",
        {"type": "fork", "entry": E2, "say": "and then?"}, {"session": uuid7(), "head": E9}),
    (
        "session.compact", {"session": "global"}, "global", {"type": "compact"},
        {"session": "global", "head": E9}),
    (
        "session.summarise", {"session": "global", "entry": E3}, "global", {"type": "summarise", "entry": E3},
        {"error": {"code": "unavailable", "message": "the provider wrote none", "retryable": True}}),
    (
        "turn.cancel", {"turn": TURN, "reason": "it goes round in circles"}, "all",
        {"type": "cancel_turns", "turn": TURN, "reason": "it goes round in circles"}, {"turns": [TURN]}),
    ("turn.go_on", {}, "all", {"type": "go_on"}, {"turns": [TURN]}),
])
def test_a_command_is_an_item_and_its_end_is_what_the_aspect_says(
        operator, viewer, robin, kind, asked, session, act, outcome):
    asked = {"of": "robin", **asked}
    for link in (viewer, robin.link):
        assert refusal(link, kind, asked) == "forbidden"
    request = uuid7()
    command = operator.request(kind, asked, request)["command"]
    assert operator.request(kind, asked, request) == {"command": command}
    item = robin.next_item()
    assert (item["id"], item["body"]) == (
        command, {"type": "session", "session": session, "by": "operator/admin", "act": act})
    decision, state = ("failed", "failed") if "error" in outcome else ("acted", "done")
    robin.link.request("inbox.close", {"item": command, "decision": decision, "outcome": outcome})
    assert settled(viewer.request("session.status", {"command": command})) == {
        "command": command, "of": "robin", "session": session, "act": act, "by": "operator/admin", "at": "time",
        "state": state, "ended_at": "time", "outcome": outcome}
    [entry] = operator.request("audit.list", {"subject": f"robin/{session}"})["entries"]
    assert (entry["kind"], entry["actor"]) == (kind, "operator/admin")
