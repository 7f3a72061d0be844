"""Versions of what is known, and grants that open and close it."""

from nexus_client import other, refusal, settled


def test_every_version_is_kept_and_a_deleted_entry_goes_on_counting(operator, robin, wren):
    def store(content, shared):
        return robin.link.request("knowledge.store", {"topic": "deploy", "content": content, "shared": shared})

    texts = [("on Mondays", True), ("on Tuesdays", False), ("on Thursdays", True)]
    stored = [store(*it) for it in texts]
    assert [it["version"] for it in stored] == [1, 2, 3]
    ids = [it["entry"] for it in stored]

    def version(number):
        content, shared = texts[number - 1]
        return {
            "entry": ids[number - 1], "from": "robin", "topic": "deploy", "shared": shared,
            "version": number, "at": "time", "bytes": len(content),
        }

    history = robin.link.request("knowledge.history", {"topic": "deploy"})
    assert settled(history) == {"entries": [version(3), version(2), version(1)]}
    pages, asked = [], {"topic": "deploy", "of": "robin", "limit": 2}
    while asked:
        page = operator.request("knowledge.history", asked)
        pages.append([it["version"] for it in page["entries"]])
        asked = {**asked, "cursor": page["cursor"]} if "cursor" in page else None
    assert pages == [[3, 2], [1]]
    # Whoever may read what is shared sees the versions that are.
    shared = wren.link.request("knowledge.history", {"topic": "deploy", "of": "robin"})
    assert settled(shared) == {"entries": [version(3), version(1)]}
    deploy = {"topic": "deploy", "of": "robin"}
    assert wren.link.request("knowledge.get", {**deploy, "version": 1})["content"] == "on Mondays"
    assert refusal(wren.link, "knowledge.get", {**deploy, "version": 2}) == "not_found"

    assert refusal(wren.link, "knowledge.delete", deploy) == "forbidden"
    gone = robin.link.request("knowledge.delete", {"topic": "deploy"})
    assert gone["version"] == 4
    ids.append(gone["entry"])
    assert refusal(wren.link, "knowledge.get", deploy) == "not_found"
    for link in (robin.link, operator):
        assert link.request("knowledge.list", {"of": "robin"}) == {"entries": []}
        assert link.request("knowledge.search", {"query": "Thursdays"}) == {"hits": []}
    texts.append(("", True))
    deleted = {**version(4), "deleted": True}
    assert settled(robin.link.request("knowledge.history", {"topic": "deploy"})) == {
        "entries": [deleted, version(3), version(2), version(1)]}
    assert settled(wren.link.request("knowledge.history", deploy)) == {
        "entries": [deleted, version(3), version(1)]}
    usage = {"found": 0, "recalled": 0}
    for link in (robin.link, operator):
        for number, content, known in ((4, "", deleted), (2, "on Tuesdays", version(2))):
            got = link.request("knowledge.get", {**deploy, "version": number})
            assert settled(got) == {**known, "content": content, "usage": usage}
        assert refusal(link, "knowledge.get", deploy) == "not_found"
    assert store("on Fridays", False)["version"] == 5
    assert operator.request("knowledge.delete", deploy)["version"] == 6
    assert robin.link.request("knowledge.list") == {"entries": []}
    # What it is now is not shared, and so neither is what it was.
    assert refusal(wren.link, "knowledge.history", deploy) == "not_found"


def test_a_grant_opens_what_it_names_and_taking_it_back_closes_it(operator, viewer, robin, wren):
    operator.request("subscribe", {})
    robin.link.request("knowledge.store", {"topic": "diary", "content": "The lighthouse makes me nervous."})
    diary = {"topic": "diary", "of": "robin"}

    def open_to_wren():
        found = wren.link.request("knowledge.search", {"query": "lighthouses"})["hits"]
        listed = wren.link.request("knowledge.list", {"of": "robin"})["entries"]
        assert len(found) == len(listed)
        if not found:
            assert refusal(wren.link, "knowledge.get", diary) == "not_found"
            assert refusal(wren.link, "knowledge.history", diary) == "not_found"
            return False
        assert wren.link.request("knowledge.get", diary)["content"] == found[0]["content"]
        assert len(wren.link.request("knowledge.history", diary)["entries"]) == 1
        return True

    assert not open_to_wren()
    read = {"to": "wren", "may": "read", "of": "robin"}
    for link in (viewer, robin.link, wren.link):
        assert refusal(link, "knowledge.grant", read) == "forbidden"
    assert not open_to_wren()
    changes = [operator.request("knowledge.grant", read) for _ in range(2)]
    assert changes == [{"granted": True, "changed": True}, {"granted": True, "changed": False}]
    assert open_to_wren()
    # Both were let in with the right to share, on the broker's machine.
    given = [
        {"to": "robin", "may": "share"},
        {**read, "by": "operator/admin", "at": "time"},
        {"to": "wren", "may": "share"},
    ]
    assert settled(operator.request("knowledge.grants")) == {"grants": given}
    for link, payload, own in (
        (wren.link, {}, given[1:]), (robin.link, {}, given[:1]), (operator, {"to": "wren"}, given[1:]),
    ):
        assert settled(link.request("knowledge.grants", payload)) == {"grants": own}
    changes = [operator.request("knowledge.revoke", read) for _ in range(2)]
    assert changes == [{"granted": False, "changed": True}, {"granted": False, "changed": False}]
    assert not open_to_wren()

    news = {"topic": "news", "content": "The lamp is lit.", "shared": True}
    robin.link.request("knowledge.store", news)
    operator.request("knowledge.revoke", {"to": "robin", "may": "share"})
    news["content"] = "The lamp is out."
    assert refusal(robin.link, "knowledge.store", news) == "forbidden"
    robin.link.request("knowledge.store", {"topic": "doubts", "content": "Is the lamp lit?"})
    # What is shared already stays so.
    assert [it["topic"] for it in wren.link.request("knowledge.search", {"query": "lamp"})["hits"]] == ["news"]
    operator.request("knowledge.grant", {"to": "robin", "may": "share"})
    assert robin.link.request("knowledge.store", news)["version"] == 2
    for kind, subject in (
        ("granted", "wren read robin"), ("revoked", "wren read robin"),
        ("revoked", "robin share"), ("granted", "robin share"),
    ):
        assert operator.push("log", other(f"knowledge.{kind}", subject))["actor"] == "operator/admin"
