"""What surrounds messages: who is there, signs, titles, and what has been read."""

from nexus_client import Aspect, refusal, settled


def member(name, **other):
    """What the team is told of an aspect that is there and idle."""
    return {
        "name": name, "role": "worker", "state": "online", "since": "time", "model": "none", "provider": "python",
        "context_mode": "thread", "capabilities": [], "hands": [], "slots": 2, "generation": 1, "backlog": 0,
        "activity": {"doing": "idle", "turns": 0, "dispatches": 0, "approvals": 0, "since": "time"},
        **other,
    }


ADD = {
    "name": "add", "description": "adds a and b", "timeout_s": 60, "concurrency": 2, "capabilities": [],
    "idempotent": False,
}


def test_the_situation_is_told_at_registering_and_when_asked_for(nexus, operator, robin):
    operator.request("subscribe", {"roster": True})
    wren = Aspect(nexus.url, nexus.add_aspect("wren"), model="m-1", provider="p", context_mode="global", slots=1)
    me = member("wren", model="m-1", provider="p", context_mode="global", slots=1)
    registered = wren.dial()
    at_first = {
        "team": [member("robin", hands=[ADD]), me],
        "open_dispatches": [], "gathers": [], "undelivered": 0, "threads": [],
    }
    assert settled(registered["situation"]) == at_first
    assert {**registered, "situation": None} == {
        "name": "wren", "link": registered["link"], "generation": 1, "epoch": wren.epoch, "offset": 0, "lost": [],
        "limits": {"frame_bytes": 1_048_576, "durable_bytes": 786_432, "items": 256, "lease_ms": 30_000},
        "situation": None,
    }
    assert wren.link.request("situation") == registered["situation"]

    sent = operator.request("chat.send", {"to": ["wren", "robin"], "content": "what is open?"})
    work = wren.link.request("dispatch", {"hand": "robin/add", "input": {"a": 1}})["dispatch"]
    gather = wren.link.request("gather", {"dispatches": [work]})["gather"]
    wren.link.cut()
    away = {key: value for key, value in me.items() if key != "activity"} | {"state": "offline", "backlog": 1}
    # It was offline before it ever came, too.
    seen = operator.push(
        "roster.changed", lambda it: (it["aspect"]["state"], it["aspect"]["generation"]) == ("offline", 1))
    assert settled(seen) == {"aspect": away}
    situation = wren.dial()["situation"]
    assert situation.pop("away_since") == seen["aspect"]["since"]
    busy = {"doing": "idle", "turns": 0, "dispatches": 1, "approvals": 0, "since": "time"}
    [row] = wren.link.request("chat.threads")["threads"]
    assert (row["id"], row["unread"]) == (sent["thread"], 1)
    status = wren.link.request("dispatch.status", {"dispatch": work})
    team = [
        member("robin", hands=[ADD], state="busy", backlog=2, activity=busy),
        {**me, "generation": 2, "backlog": 1},
    ]
    assert settled(wren.link.request("situation")["team"]) == team
    assert settled(operator.request("team.list")) == {"aspects": team, "more": False}
    assert settled(situation) == {
        "team": team,
        "open_dispatches": [settled({**status, "input": None})],
        "gathers": [settled(wren.link.request("gather.status", {"gather": gather}))],
        "undelivered": 1,
        "threads": [settled(row)],
    }
    wren.next_item()
    assert wren.link.request("situation")["undelivered"] == 0
    assert refusal(operator, "situation", {}) == "forbidden"
    wren.link.close()


def test_reactions_are_seen_by_others_and_taken_back(operator, robin, wren):
    operator.request("subscribe", {"kinds": ["reacted"]})
    sent = operator.request("chat.send", {"to": ["robin", "wren"], "content": "cake at four"})
    message, thread = sent["message"], sent["thread"]
    put = {"message": message, "thread": thread, "emoji": "🎉", "by": "robin"}
    asked = {"message": message, "emoji": "🎉"}
    assert robin.link.request("chat.react", asked) == put
    assert wren.link.push("chat.reacted") == put
    entry = operator.push("log")
    assert (entry["actor"], entry["thread"], entry["body"]) == ("robin", thread, {"type": "reacted", **put})
    # What is there is not put again.
    assert robin.link.request("chat.react", asked) == put
    also = {**put, "by": "wren"}
    assert wren.link.request("chat.react", asked) == also
    plus = {**put, "emoji": "+1", "by": "operator/admin"}
    assert operator.request("chat.react", {"message": message, "emoji": "+1"}) == plus
    reactions = [{"emoji": "+1", "by": ["operator/admin"]}, {"emoji": "🎉", "by": ["robin", "wren"]}]
    [read] = robin.link.request("chat.read", {"thread": thread})["messages"]
    assert read["reactions"] == reactions
    assert operator.request("chat.get", {"message": message})["reactions"] == reactions

    gone = {**put, "removed": True}
    assert robin.link.request("chat.react", {**asked, "remove": True}) == gone
    assert robin.link.request("chat.react", {**asked, "remove": True}) == gone
    assert [operator.push("log")["body"] for _ in range(3)] == [
        {"type": "reacted", **it} for it in (also, plus, gone)]
    # Each is told what the others did.
    assert [robin.link.push("chat.reacted") for _ in range(2)] == [also, plus]
    assert [wren.link.push("chat.reacted") for _ in range(2)] == [plus, gone]
    assert operator.request("chat.get", {"message": message})["reactions"] == [
        reactions[0], {"emoji": "🎉", "by": ["wren"]}]
    for sign in ("", "a b", "x" * 33):
        assert refusal(robin.link, "chat.react", {"message": message, "emoji": sign}) == "invalid", sign


def test_a_thread_is_renamed_by_those_it_concerns(operator, robin, wren):
    operator.request("subscribe", {})
    sent = operator.request("chat.send", {"to": ["robin"], "content": "what is its name?", "topic": "unnamed"})
    thread = sent["thread"]
    assert operator.request("thread.get", {"thread": thread})["title"] == "unnamed"
    for link, title in ((robin.link, "the lighthouse"), (operator, "The Lighthouse 💡")):
        named = {"thread": thread, "title": title}
        assert link.request("thread.rename", named) == named
    assert operator.request("thread.get", {"thread": thread})["title"] == "The Lighthouse 💡"
    [listed] = robin.link.request("chat.threads")["threads"]
    assert (listed["id"], listed["title"]) == (thread, "The Lighthouse 💡")
    assert refusal(wren.link, "thread.rename", {"thread": thread, "title": "mine"}) == "not_found"
    for title in ("", "two\nlines", "x" * 257):
        assert refusal(robin.link, "thread.rename", {"thread": thread, "title": title}) == "invalid", title
    kinds = operator.request("audit.list", {"thread": thread})["entries"]
    assert [(it["kind"], it["actor"]) for it in kinds[:2]] == [
        ("thread.renamed", "operator/admin"), ("thread.renamed", "robin")]


def test_what_is_unread_is_counted_until_it_is_marked(operator, robin):
    first = operator.request("chat.send", {"to": ["robin"], "content": "1"})
    thread = first["thread"]
    more = {"thread": thread, "to": ["robin"]}
    seqs = [first["seq"]] + [operator.request("chat.send", {**more, "content": text})["seq"] for text in "23"]

    def unread(link=robin.link):
        [it] = link.request("chat.threads")["threads"]
        assert link.request("thread.get", {"thread": thread}) == it
        listed = link.request("chat.threads", {"unread": True})["threads"]
        assert [it["id"] for it in listed] == ([thread] if it.get("unread", 0) else [])
        return it.get("unread", 0)

    assert (unread(), unread(operator)) == (3, 0)
    assert robin.link.request("chat.mark", {"thread": thread, "seq": seqs[0]}) == {
        "thread": thread, "position": seqs[0]}
    assert unread() == 2
    robin.link.request("inbox.taken", {"message": first["message"]})
    assert unread() == 2
    assert robin.link.request("chat.mark", {"thread": thread}) == {"thread": thread, "position": seqs[2]}
    assert unread() == 0
    # It never goes back.
    assert robin.link.request("chat.mark", {"thread": thread, "seq": seqs[0]})["position"] == seqs[2]
    assert unread() == 0

    answer = robin.link.request("chat.send", {"thread": thread, "content": "4"})
    assert (unread(), unread(operator)) == (0, 1)

    def receipt():
        [it] = operator.request("chat.receipts", {"message": answer["message"]})["receipts"]
        return settled(it)

    assert receipt() == {"party": "operator/admin", "state": "stored"}
    operator.request("chat.mark", {"thread": thread})
    assert receipt() == {"party": "operator/admin", "state": "in_context"}
    assert unread(operator) == 0
    operator.request("chat.send", {**more, "content": "5"})
    assert (unread(), unread(operator)) == (1, 0)
    # Who speaks has read what came before.
    robin.link.request("chat.send", {"thread": thread, "content": "6"})
    assert (unread(), unread(operator)) == (0, 1)
    kinds = {it["kind"] for it in operator.request("audit.list", {"thread": thread})["entries"]}
    assert not [it for it in kinds if "mark" in it], kinds
