"""What is spent, what may be, and what happens when no more may."""

import time

from nexus_client import other, refusal, settled, uuid7

DAY_MS = 86_400_000
SPENT = {"input_tokens": 40, "output_tokens": 30, "cache_read_tokens": 20, "cache_write_tokens": 5}
NOTHING = {"tokens": 0, "cost_microusd": 0}


def of_a_day(budget):
    """What is left of a day's budget without its times, which fit together."""
    assert budget["until"] - budget["since"] == DAY_MS and budget["until"] > time.time() * 1000
    return {key: value for key, value in settled(budget).items() if key not in ("since", "until")}


def test_work_waits_when_its_budget_is_used_up(operator, viewer, robin):
    operator.request("subscribe", {})
    asked = {"of": "operator/admin", "per": "day", "limit": {"tokens": 1_000}}
    for link in (viewer, robin.link):
        assert refusal(link, "budget.set", asked) == "forbidden"
    made = operator.request("budget.set", asked)
    budget = {
        **asked, "each": {"tokens": 100}, "used": NOTHING, "reserved": NOTHING, "set_by": "operator/admin",
        "set_at": "time", "waiting": 0}
    assert of_a_day(made) == budget
    assert viewer.request("budget.list") == {"budgets": [made]}
    too_much = {"hand": "robin/add", "input": 1, "budget": {"tokens": 1_001}}
    assert refusal(operator, "dispatch", too_much) == "budget_exceeded"

    work = operator.request("dispatch", {"hand": "robin/add", "input": 1})["dispatch"]
    given = robin.next_item()["body"]
    assert given["budget"] == {"tokens": 100}
    assert operator.request("dispatch.status", {"dispatch": work})["granted"] == {"tokens": 100}
    [seen] = operator.request("budget.list")["budgets"]
    assert of_a_day(seen) == {**budget, "reserved": {"tokens": 100, "cost_microusd": 0}}
    robin.link.request(
        "dispatch.result", {"lease": given["lease"], "output": 1, "usage": SPENT, "cost_microusd": 1_200})
    end = operator.request("dispatch.status", {"dispatch": work})
    assert (end["usage"], end["cost_microusd"]) == (SPENT, 1_200)
    [seen] = operator.request("budget.list")["budgets"]
    assert of_a_day(seen) == {**budget, "used": {"tokens": 95, "cost_microusd": 1_200}}

    # What is spent already stays spent when less is allowed.
    operator.request("budget.set", {**asked, "limit": {"tokens": 100}})
    waits = operator.request("dispatch", {"hand": "robin/add", "input": 2})["dispatch"]
    status = operator.request("dispatch.status", {"dispatch": waits})
    assert (status["state"], status["waiting_for"]) == ("pending", "budget")
    [seen] = operator.request("budget.list")["budgets"]
    assert (seen["each"], seen["waiting"]) == ({"tokens": 10}, 1)
    assert [it["key"] for it in operator.request("alert.list")["alerts"]] == ["budget_spent/operator/admin/day"]
    whose = {"of": "operator/admin", "per": "day"}
    assert [operator.request("budget.clear", whose) for _ in range(2)] == [{"cleared": True}, {"cleared": False}]
    assert robin.next_item()["body"]["lease"]["dispatch"] == waits
    assert operator.request("alert.list")["alerts"] == []
    assert operator.request("budget.list") == {"budgets": []}
    for kind in ("set", "set", "cleared"):
        operator.push("log", other(f"budget.{kind}", "operator/admin/day"))


def test_a_stop_holds_until_somebody_lets_it_go_on(operator, viewer, robin, dialled):
    operator.request("subscribe", {"kinds": ["alert"]})
    for link in (viewer, robin.link):
        assert refusal(link, "budget.stop", {}) == "forbidden"
    stopped = operator.request("budget.stop", {"reason": "until I have looked"})
    stop = {"reason": "until I have looked", "by": "operator/admin", "until": stopped["until"]}
    assert stopped == {"until": stopped["until"], "stop": stop, "by": "operator/admin", "at": stopped["at"]}
    assert 0 < stopped["until"] - stopped["at"] <= DAY_MS
    assert robin.link.push("spending.changed") == {"stop": stop}
    assert viewer.request("budget.list") == {"budgets": [], "today": stopped}
    raised = operator.push("log")["body"]
    assert (raised["change"], raised["key"]) == ("raised", "spending_stopped/all")

    waits = operator.request("dispatch", {"hand": "robin/add", "input": 1})["dispatch"]
    status = operator.request("dispatch.status", {"dispatch": waits})
    assert (status["state"], status["waiting_for"]) == ("pending", "budget")
    # Who asks no model goes on, and who comes now is told how it stands.
    tern = dialled("tern", provider="none", hands=[{"name": "copy"}], slots=1)
    assert tern.link.request("situation")["spending_stop"] == stop
    free = operator.request("dispatch", {"hand": "tern/copy", "input": 1})["dispatch"]
    assert tern.next_item()["body"]["lease"]["dispatch"] == free

    more = operator.request("budget.go_on", {"cost_microusd": 5_000})
    assert more == {
        "until": stopped["until"], "cost_microusd": 5_000, "by": "operator/admin", "at": more["at"]}
    for aspect in (robin, tern):
        assert aspect.link.push("spending.changed") == {}
    assert robin.next_item()["body"]["lease"]["dispatch"] == waits
    assert operator.push("log")["body"]["change"] == "cleared"
    assert operator.request("budget.list") == {"budgets": [], "today": more}
    operator.request("budget.go_on", {})
    assert operator.request("budget.list") == {"budgets": []}


def test_what_was_spent_is_added_up(operator, viewer, robin):
    def ask(content):
        operator.request("chat.send", {"to": ["robin"], "content": content})
        return robin.next_item()

    item = ask("what is new?")
    meta = {"turn": uuid7(), "provider": "python", "model": "m-1", "usage": SPENT, "cost_microusd": 500}
    reply = robin.link.request("chat.send", {"reply_to": item["body"]["id"], "content": "nothing", "meta": meta})
    robin.link.request(
        "inbox.close", {"item": item["id"], "decision": "replied", "message": reply["message"]})
    said = operator.request("chat.get", {"message": reply["message"]})
    assert settled(said) == {
        "id": reply["message"], "seq": reply["seq"], "thread": reply["thread"], "reply_to": item["body"]["id"],
        "from": "robin", "to": ["operator/admin"], "content": "nothing", "at": "time", "meta": meta}
    # Of this one only the sum is known; of the next one no price.
    item = ask("never mind")
    spent = {"tokens": 10, "cost_microusd": 100}
    robin.link.request("inbox.close", {"item": item["id"], "decision": "silent", "spent": spent})
    operator.request("dispatch", {"hand": "robin/add", "input": 1})
    lease = robin.next_item()["body"]["lease"]
    robin.link.request("dispatch.result", {"lease": lease, "output": 1, "usage": {"output_tokens": 7}})

    def counted(key, messages, closings, dispatches, usage, cost, unpriced=0):
        return {
            "key": key, "messages": messages, "closings": closings, "dispatches": dispatches, "usage": usage,
            "cost_microusd": cost, "unpriced": unpriced}

    none = dict.fromkeys(SPENT, 0)
    each = [
        (SPENT, 500), ({**none, "input_tokens": 10}, 100), ({**none, "output_tokens": 7}, 0)]
    whole = {key: sum(usage[key] for usage, _ in each) for key in SPENT}
    total = counted("total", 1, 1, 1, whole, 600, 1)
    assert viewer.request("usage.read") == {
        "by": "aspect", "rows": [{**total, "key": "robin"}], "total": total, "more": False}
    assert operator.request("usage.read", {"by": "model"})["rows"] == [
        counted("python/m-1", 1, 0, 0, *each[0]), counted("session", 0, 1, 0, *each[1]),
        counted("hand", 0, 0, 1, *each[2], 1)]
    assert operator.request("usage.read", {"by": "hand"})["rows"] == [
        counted("session", 1, 1, 0, {**SPENT, "input_tokens": 50}, 600), counted("robin/add", 0, 0, 1, *each[2], 1)]
    today = operator.request("usage.read", {"by": "day", "since": said["at"]})
    assert [it["key"] for it in today["rows"]] == [time.strftime("%Y-%m-%d", time.gmtime(said["at"] / 1000))]
    assert today["total"] == total
    assert operator.request("usage.read", {"until": said["at"]})["rows"] == []
    assert refusal(robin.link, "usage.read", {}) == "forbidden"
