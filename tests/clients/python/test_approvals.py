"""What an aspect may not decide alone, it asks of people."""

from nexus_client import ended, other, refusal, settled, uuid7

TOOL = {"type": "tool", "tool": "run_command", "summary": "rm -r build", "arguments": '{"command": "rm -r build"}'}
QUESTION = {"type": "question", "question": "Which lamp?", "choices": ["the red one", "the green one"]}


def test_people_are_asked_and_the_aspect_hears_what_they_say(operator, viewer, robin, wren):
    operator.request("subscribe", {})
    request = uuid7()
    asked = robin.link.request("approval.ask", {"asked": TOOL}, request)
    approval = asked["id"]
    assert settled(asked) == {
        "id": approval, "aspect": "robin", "asked": TOOL, "state": "open", "asked_at": "time",
        "expires_at": "time"}
    assert asked["expires_at"] - asked["asked_at"] == 24 * 3600 * 1000
    entry = operator.push("log", other("approval.asked", approval))
    assert entry["actor"] == "robin"
    for link in (operator, viewer):
        assert link.request("approval.list") == {"approvals": [asked], "more": False}
        assert link.request("approval.get", {"approval": approval}) == asked
    yes = {"approval": approval, "verdict": "approve", "text": "this once"}
    for link in (viewer, robin.link, wren.link):
        assert refusal(link, "approval.answer", yes) == "forbidden"
    assert refusal(operator, "approval.answer", {**yes, "verdict": "answer"}) == "invalid"

    approved = operator.request("approval.answer", yes)
    assert settled(approved) == {
        **settled(asked), "state": "approved", "ended_at": "time", "by": "operator/admin", "text": "this once"}
    assert robin.next_item()["body"] == {
        "type": "approval", "approval": approval, "state": "approved", "by": "operator/admin", "text": "this once"}
    operator.push("log", other("approval.approved", approval))
    # The first answer counts, and who asks again gets it.
    assert operator.request("approval.answer", {"approval": approval, "verdict": "deny"}) == approved
    assert robin.link.request("approval.ask", {"asked": TOOL}, request) == approved
    assert operator.request("approval.list") == {"approvals": [], "more": False}
    assert operator.request("approval.list", {"all": True}) == {"approvals": [approved], "more": False}


def test_a_question_is_answered_while_its_aspect_is_away(operator, robin):
    first = robin.link.request("approval.ask", {"asked": QUESTION})["id"]
    second = robin.link.request("approval.ask", {"asked": QUESTION})["id"]
    robin.link.cut()
    operator.request("approval.answer", {"approval": first, "verdict": "answer", "text": "the green one"})
    operator.request("approval.answer", {"approval": second, "verdict": "deny"})
    robin.dial()
    by = {"type": "approval", "by": "operator/admin"}
    assert [robin.next_item()["body"] for _ in range(2)] == [
        {"approval": first, "state": "answered", "text": "the green one", **by},
        {"approval": second, "state": "denied", **by},
    ]


def test_a_reply_to_the_notice_answers_too(operator, robin):
    told = robin.link.request("chat.send", {"to": ["operator/admin"], "content": "May I run rm -r build?"})
    asked = robin.link.request(
        "approval.ask", {"asked": TOOL, "thread": told["thread"], "notice": told["message"]})
    assert (asked["thread"], asked["notice"]) == (told["thread"], told["message"])
    operator.request("chat.send", {"reply_to": told["message"], "content": "why?"})
    assert robin.next_item()["body"]["content"] == "why?"
    operator.request("chat.send", {"reply_to": told["message"], "content": "approve"})
    heard = robin.next_item()["body"]
    assert (heard["type"], heard["approval"], heard["state"], heard["by"]) == (
        "approval", asked["id"], "approved", "operator/admin")
    read = operator.request("chat.read", {"thread": told["thread"]})["messages"]
    assert [it["content"] for it in read] == ["May I run rm -r build?", "why?", "approve"]
    operator.request("chat.send", {"thread": told["thread"], "to": ["robin"], "content": "and then?"})
    assert robin.next_item()["body"]["content"] == "and then?"


def test_what_nobody_waits_for_any_more_is_withdrawn(operator, robin, wren):
    operator.request("subscribe", {})
    asked = robin.link.request("approval.ask", {"asked": QUESTION})
    assert refusal(wren.link, "approval.withdraw", {"approval": asked["id"]}) == "not_found"
    withdrawn = robin.link.request("approval.withdraw", {"approval": asked["id"], "reason": "found it"})
    assert settled(withdrawn) == {
        **settled(asked), "state": "withdrawn", "ended_at": "time", "by": "robin", "text": "found it"}
    operator.push("log", other("approval.withdrawn", asked["id"]))

    work = operator.request("dispatch", {"hand": "robin/add", "input": {}})["dispatch"]
    lease = robin.next_item()["body"]["lease"]
    held = robin.link.request("approval.ask", {"asked": TOOL, "lease": lease})
    assert held["lease"] == lease
    robin.link.request("dispatch.result", {"lease": lease, "output": "done"})
    operator.push("log", ended(work))
    assert operator.request("approval.get", {"approval": held["id"]})["state"] == "withdrawn"
    late = operator.request("approval.answer", {"approval": held["id"], "verdict": "approve"})
    assert late["state"] == "withdrawn"
    # Nothing of it came to the inbox.
    operator.request("chat.send", {"to": ["robin"], "content": "well?"})
    assert robin.next_item()["body"]["content"] == "well?"
