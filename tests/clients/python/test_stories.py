"""The main stories of docs/protocol.md, told by a client that shares no code with the broker."""

import time

import pytest
from nexus_client import (
    Aspect,
    HttpProblem,
    Link,
    Refused,
    access_token,
    assertion,
    ended,
    http,
    is_message,
    uuid7,
)
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def test_who_has_no_good_credential_stays_outside(nexus):
    keyfile = nexus.add_aspect("robin")
    about = http("GET", f"{nexus.url}/api/v1/nexus")
    assert (about["nexus_id"], about["protocol"]) == (keyfile["nexus_id"], "nexus.v1")
    for token in ("", "nxo_guessed", "eyJhbGciOiJub25lIn0.e30."):
        with pytest.raises(InvalidStatus) as refused:
            Link(nexus.url, token)
        assert refused.value.response.status_code == 401, token
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    bad = {
        "of another Nexus": assertion(keyfile, aud=uuid7()),
        "expired": assertion(keyfile, exp=int(time.time()) - 60),
        "good for too long": assertion(keyfile, exp=int(time.time()) + 3600),
        "in another's name": assertion(keyfile, iss="wren", sub="wren"),
        "no token at all": "x.y.z",
    }
    for why, text in bad.items():
        with pytest.raises(HttpProblem) as refused:
            http("POST", f"{nexus.url}/api/v1/token", {"grant_type": grant, "assertion": text})
        body = refused.value.body
        assert (refused.value.status, body["code"], body["retryable"]) == (401, "unauthorized", False), why
    once = {"grant_type": grant, "assertion": assertion(keyfile)}
    http("POST", f"{nexus.url}/api/v1/token", once)
    with pytest.raises(HttpProblem) as replayed:
        http("POST", f"{nexus.url}/api/v1/token", once)
    assert replayed.value.status == 401


def test_what_is_no_upgrade_to_this_protocol_is_refused(nexus):
    with pytest.raises(HttpProblem) as plain:
        http("GET", f"{nexus.url}/connect", token=nexus.token)
    assert (plain.value.status, plain.value.body["code"]) == (426, "invalid")
    for protocols in (None, ["nexus.v0", "chat"]):
        with pytest.raises(InvalidStatus) as other:
            connect(
                f"{nexus.url.replace('http', 'ws', 1)}/connect", subprotocols=protocols,
                additional_headers={"Authorization": f"Bearer {nexus.token}"}).__enter__()
        assert other.value.response.status_code == 400, protocols


def test_a_conversation_with_every_promise_kept(nexus, operator, robin):
    operator.request("subscribe", {})
    request = uuid7()
    question = {"to": ["robin", "nobody"], "content": "what is new?", "topic": "news"}
    sent = operator.request("chat.send", question, request)
    assert (sent["recipients"], sent["unknown"]) == (["robin"], ["nobody"])

    # The same request again: the same answer, and no second message.
    assert operator.request("chat.send", question, request) == sent
    with pytest.raises(Refused) as reused:
        operator.request("chat.send", {**question, "content": "something else"}, request)
    assert reused.value.code == "id_reused"

    item = robin.next_item()
    message = item["body"]
    assert (message["type"], message["id"], message["content"]) == (
        "message", sent["message"], "what is new?")
    answer = robin.link.request("chat.send", {"reply_to": message["id"], "content": "nothing yet"})
    assert answer["thread"] == sent["thread"]
    robin.link.request("inbox.close", {"item": item["id"], "decision": "replied", "message": answer["message"]})

    entry = operator.push("log", is_message("nothing yet"))
    assert (entry["actor"], entry["body"]["from"], entry["body"]["to"]) == ("robin", "robin", [
        part for part in message["from"].split()])
    page = operator.request("chat.read", {"thread": sent["thread"]})
    assert [it["content"] for it in page["messages"]] == ["what is new?", "nothing yet"]
    assert page["more"] is False
    assert sent["thread"] in [it["id"] for it in operator.request("chat.threads")["threads"]]


def test_an_inbox_goes_on_after_a_lost_link_and_a_killed_broker(nexus, operator, robin):
    contents = [f"number {n}" for n in range(6)]
    for content in contents[:3]:
        operator.request("chat.send", {"to": ["robin"], "content": content})
    assert [robin.next_item()["body"]["content"] for _ in range(2)] == contents[:2]
    # The third is on the way and not acknowledged when the link breaks.
    assert robin.next_item(acknowledge=False)["body"]["content"] == contents[2]
    robin.link.close()
    operator.request("chat.send", {"to": ["robin"], "content": contents[3]})
    nexus.kill()
    nexus.start()
    again = Link(nexus.url, nexus.token)
    for content in contents[4:]:
        again.request("chat.send", {"to": ["robin"], "content": content})
    robin.dial()
    assert [robin.next_item()["body"]["content"] for _ in range(4)] == contents[2:]
    again.close()


def test_the_newer_link_of_an_aspect_wins_and_a_revoked_one_is_closed(nexus, robin):
    older = robin.link
    robin.dial()
    assert older.closed() == 4001
    http("DELETE", f"{nexus.url}/api/v1/aspects/robin", token=nexus.token)
    assert robin.link.closed() == 4003
    with pytest.raises(HttpProblem) as refused:
        access_token(nexus.url, robin.keyfile)
    assert refused.value.status == 401


def test_work_ends_exactly_once_whatever_its_worker_does(operator, robin):
    operator.request("subscribe", {})

    def assigned(a, b):
        accepted = operator.request("dispatch", {"hand": "robin/add", "input": {"a": a, "b": b}})
        item = robin.next_item()["body"]
        assert (item["type"], item["hand"], item["input"]) == ("assignment", "add", {"a": a, "b": b})
        assert item["lease"]["dispatch"] == accepted["dispatch"]
        return accepted["dispatch"], item["lease"]

    dispatch, lease = assigned(1, 2)
    assert robin.link.request("lease.renew", {"leases": [lease]}) == {"lost": []}
    result = robin.link.request("dispatch.result", {"lease": lease, "output": 3})
    assert result == {"dispatch": dispatch, "state": "done"}
    outcome = operator.push("log", ended(dispatch))["body"]
    assert (outcome["state"], outcome["output"], outcome["attempts"]) == ("done", 3, 1)
    with pytest.raises(Refused) as late:
        robin.link.request("dispatch.result", {"lease": lease, "output": 4})
    assert late.value.code == "stale_token"

    dispatch, lease = assigned(3, 4)
    failure = {"code": "too_hard", "message": "sums beyond six are not offered"}
    robin.link.request("dispatch.result", {"lease": lease, "error": failure})
    outcome = operator.push("log", ended(dispatch))["body"]
    assert (outcome["state"], outcome["error"]) == ("failed", failure)

    dispatch, lease = assigned(5, 6)
    receipt = operator.request("dispatch.cancel", {"dispatch": dispatch, "reason": "not needed"})
    assert receipt["cancelled"] == [dispatch]
    told = robin.next_item()["body"]
    assert (told["type"], told["lease"]) == ("cancel", lease)
    with pytest.raises(Refused) as fenced:
        robin.link.request("dispatch.result", {"lease": lease, "output": 11})
    assert fenced.value.code == "stale_token"
    assert operator.request("dispatch.status", {"dispatch": dispatch})["state"] == "cancelled"


def test_an_aspect_asks_another_and_learns_the_end_in_its_inbox(nexus, robin):
    wren = Aspect(nexus.url, nexus.add_aspect("wren"))
    wren.dial()
    asked = wren.link.request("dispatch", {"hand": "robin/add", "input": {"a": 20, "b": 22}})
    lease = robin.next_item()["body"]["lease"]
    robin.link.request("dispatch.result", {"lease": lease, "output": 42})
    result = wren.next_item()["body"]
    assert (result["type"], result["dispatch"], result["state"], result["output"]) == (
        "result", asked["dispatch"], "done", 42)
    wren.link.close()


def test_knowledge_is_found_by_those_who_may(nexus, operator, robin):
    wren = Aspect(nexus.url, nexus.add_aspect("wren"))
    wren.dial()
    stored = robin.link.request(
        "knowledge.store", {"topic": "deploy", "content": "We deploy on Tuesdays.", "shared": True})
    assert stored["version"] == 1
    robin.link.request("knowledge.store", {"topic": "diary", "content": "Deploying makes me nervous."})
    found = wren.link.request("knowledge.search", {"query": "deploying"})
    assert [(hit["from"], hit["topic"]) for hit in found["hits"]] == [("robin", "deploy")]
    # Whatever is typed is a query.
    for text in ('"', "AND OR NOT", "a* -b \"c d", "NEAR(", "topic:deploy", "\u0000", "💥"):
        assert "hits" in wren.link.request("knowledge.search", {"query": text}), text
    wren.link.close()


def test_what_streams_is_shown_to_whoever_watches(operator, robin):
    operator.request("subscribe", {"observe": True, "roster": True})
    turn = uuid7()
    robin.link.send("observe.begin", {"turn": turn})
    for n, text in enumerate(("Hel", "lo")):
        robin.link.send("observe.event", {"turn": turn, "n": n, "event": {"type": "text", "text": text}})
    robin.link.send("observe.end", {"turn": turn, "n": 2, "decision": "silent"})
    seen = [operator.push("observe") for _ in range(4)]
    assert [it["what"]["type"] for it in seen] == ["begin", "event", "event", "end"]
    assert [it["what"]["event"]["text"] for it in seen[1:3]] == ["Hel", "lo"]
    assert {(it["aspect"], it["turn"]) for it in seen} == {("robin", turn)}
    team = operator.request("team.list")["aspects"]
    assert [(it["name"], it["state"]) for it in team] == [("robin", "online")]


def test_a_frame_that_is_none_is_answered_and_costs_only_itself(operator):
    with pytest.raises(Refused) as unknown:
        operator.request("chat.shout", {})
    assert unknown.value.code == "unknown_kind"
    with pytest.raises(Refused) as invalid:
        operator.request("chat.read", {"limit": "many"})
    assert invalid.value.code == "bad_frame"
    deep = uuid7()
    operator.socket.send(f'{{"kind":"chat.send","id":"{deep}","payload":{"[" * 70}{"]" * 70}}}')
    assert operator._wait(lambda: operator.replies.get(deep), "the reply")["payload"]["code"] == "too_deep"
    assert operator.request("team.list")["aspects"] == []
    operator.socket.send(b"\x00")
    assert operator.closed() == 1003


@pytest.mark.parametrize("raw, code", [
    (b"\x81\x81\x00\x00\x00\x00\xff", 1007),
    (b"\x81\x02{}", 1002),
    (b"\xc1\x80\x00\x00\x00\x00", 1002),
    (b"\x83\x80\x00\x00\x00\x00", 1002),
], ids=["text that is not UTF-8", "not masked", "a reserved bit", "an unknown opcode"])
def test_what_is_no_frame_at_all_ends_the_link(operator, raw, code):
    operator.socket.socket.sendall(raw)
    assert operator.closed() == code


def test_a_capability_goes_to_whoever_fits_best_and_a_bad_input_to_nobody(nexus, operator, robin):
    adder = {
        "name": "add",
        "capabilities": ["sums"],
        "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    }
    wren = Aspect(nexus.url, nexus.add_aspect("wren"), hands=[adder], slots=1)
    wren.dial()
    wanted = {"capability": {"needs": ["sums"]}, "input": {"a": 1}}
    request = uuid7()
    chosen = operator.request("dispatch", wanted, request)
    assert chosen["chosen"] == "wren/add"
    assert [(it["hand"], it.get("lost")) for it in chosen["why"] if it["hand"].endswith("/add")] == [
        ("wren/add", None), ("robin/add", "lacks")]
    again = operator.request("dispatch", wanted, request)
    assert (again["dispatch"], again["chosen"], again["why"]) == (
        chosen["dispatch"], chosen["chosen"], chosen["why"])
    with pytest.raises(Refused) as nobody:
        operator.request("dispatch", {"capability": {"needs": ["flying"]}, "input": {}})
    assert nobody.value.code == "no_candidate"
    with pytest.raises(Refused) as unfit:
        operator.request("dispatch", {"hand": "wren/add", "input": {"a": "one"}})
    assert (unfit.value.code, [it["at"] for it in unfit.value.payload["details"]["faults"]]) == ("invalid", ["/a"])
    wren.link.close()


def test_dispatches_are_gathered_into_one_answer(nexus, robin):
    wren = Aspect(nexus.url, nexus.add_aspect("wren"))
    wren.dial()
    sums = [wren.link.request("dispatch", {"hand": "robin/add", "input": {"a": n, "b": n}}) for n in (1, 2)]
    ids = [it["dispatch"] for it in sums]
    gathered = wren.link.request("gather", {"dispatches": ids})
    for _ in sums:
        work = robin.next_item()["body"]
        output = work["input"]["a"] + work["input"]["b"]
        robin.link.request("dispatch.result", {"lease": work["lease"], "output": output})
    items = [wren.next_item()["body"] for _ in range(3)]
    assert [it["type"] for it in items] == ["result", "result", "gather"]
    answer = items[2]
    assert (answer["gather"], answer["state"], answer["open"]) == (gathered["gather"], "met", [])
    assert [(it["dispatch"], it["output"]) for it in answer["outcomes"]] == list(zip(ids, (2, 4)))
    wren.link.close()


def test_a_message_is_followed_to_its_answer_and_found_again(operator, robin):
    sent = operator.request("chat.send", {"to": ["robin"], "content": "when do we ship the lighthouse?"})

    def state():
        receipts = operator.request("chat.receipts", {"message": sent["message"]})["receipts"]
        return [(it["party"], it["state"]) for it in receipts]

    item = robin.next_item(acknowledge=False)
    assert state() == [("robin", "stored")]
    robin.resume = {"epoch": robin.epoch, "offset": robin.offset, "item": item["id"]}
    robin.link.request("ack", {"offset": robin.offset})
    assert state() == [("robin", "delivered")]
    robin.link.request("inbox.taken", {"message": sent["message"]})
    assert state() == [("robin", "in_context")]
    robin.link.request("inbox.close", {"item": item["id"], "decision": "silent"})
    assert state() == [("robin", "answered")]
    found = {"indexed_seq": 0}
    while found["indexed_seq"] < sent["seq"]:
        found = operator.request("chat.search", {"query": "shipping lighthouses"})
    [hit] = found["hits"]
    assert (hit["message"], [it["text"] for it in hit["snippet"] if it.get("hit")]) == (
        sent["message"], ["ship", "lighthouse"])


def test_a_broker_that_stops_says_so_and_when_to_come_back(nexus, operator, robin):
    operator.request("team.list")
    nexus.stack.broker.child.terminate()
    for link in (operator, robin.link):
        notice = link.push("shutdown")
        assert notice["retry_after_ms"] >= 0, notice
        assert link.closed() == 1001
