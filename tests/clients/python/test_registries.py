"""A table that the team shares: what does not fit is refused, and every change is kept."""

import pytest
from nexus_client import Refused, other, refusal, settled

CLIENTS = {
    "name": "clients",
    "description": "Whom we work for.",
    "key": "id",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "state", "type": "string", "enum": ["lead", "active", "gone"]},
        {"name": "hours", "type": "number"},
    ],
    "writers": ["wren"],
}


def refused(link, kind, payload):
    with pytest.raises(Refused) as refusal:
        link.request(kind, payload)
    return refusal.value


def test_a_registry_is_made_and_its_rows_are_written_by_who_may(operator, viewer, robin, wren):
    operator.request("subscribe", {})
    asked = {"registry": CLIENTS, "entries": [{"id": "acme", "state": "lead"}]}
    for link in (viewer, wren.link):
        assert refusal(link, "registry.put", asked) == "forbidden"
    made = operator.request("registry.put", asked)
    assert made == {"registry": "clients", "version": made["version"], "changed": True, "written": 1}
    # The same again changes nothing, and what is based on another version is refused.
    assert operator.request("registry.put", asked) == {**made, "changed": False, "written": 0}
    late = refused(operator, "registry.put", {**asked, "if_version": 0})
    assert (late.code, late.payload["details"]) == ("conflict", {"version": made["version"]})
    got = settled(robin.link.request("registry.get", {"registry": "clients"}))
    assert (got["registry"], got["rows"], got["by"]) == (CLIENTS, 1, "operator/admin")
    [listed] = viewer.request("registry.list")["registries"]
    assert settled(listed) == {
        "name": "clients", "description": CLIENTS["description"], "version": made["version"], "fields": 3, "rows": 1,
        "by": "operator/admin", "at": "time"}

    blue = {"registry": "clients", "row": "blue", "values": {"state": "active", "hours": 12.5}}
    for link in (viewer, robin.link):
        assert refusal(link, "registry.write", blue) == "forbidden"
    written = wren.link.request("registry.write", blue)
    assert written == {"registry": "clients", "row": "blue", "version": written["version"], "changed": True}
    assert operator.push("log", other("registry.changed", "clients/blue"))["actor"] == "wren"
    unfit = refused(wren.link, "registry.write", {**blue, "values": {"state": "open"}})
    assert unfit.code == "invalid" and "state" in str(unfit)
    none = refused(wren.link, "registry.write", {**blue, "if_version": 0})
    assert (none.code, none.payload["details"]) == ("conflict", {"version": written["version"]})
    gone = wren.link.request("registry.write", {"registry": "clients", "row": "blue", "values": {"hours": None}})
    row = {
        "row": "blue", "values": {"id": "blue", "state": "active"}, "version": gone["version"], "by": "wren",
        "at": "time"}
    assert settled(robin.link.request("registry.row", {"registry": "clients", "row": "blue"})) == row
    pages, asked = [], {"registry": "clients", "limit": 1}
    while asked:
        page = viewer.request("registry.read", asked)
        pages.append([it["row"] for it in page["rows"]])
        asked = {**asked, "after": pages[-1][-1]} if page["more"] else None
    assert pages == [["acme"], ["blue"]]
    active = {"registry": "clients", "filter": 'state == "active" and hours == null'}
    assert settled(viewer.request("registry.read", active)) == {"rows": [row], "more": False}

    history = settled(viewer.request("registry.history", {"registry": "clients", "row": "blue"}))
    before = {"id": "blue", "state": "active", "hours": 12.5}
    by = {"row": "blue", "by": "wren", "at": "time"}
    assert history == {
        "changes": [
            {**by, "version": gone["version"], "before": before, "after": row["values"]},
            {**by, "version": written["version"], "after": before}],
        "more": False}
    away = {"registry": "clients", "row": "blue"}
    assert wren.link.request("registry.remove", {**away, "if_version": gone["version"]}) == {**away, "removed": True}
    assert refusal(viewer, "registry.row", away) == "not_found"
    latest = viewer.request("registry.history", {"registry": "clients", "limit": 1})["changes"]
    assert [(it["row"], it["before"], "after" in it) for it in latest] == [("blue", row["values"], False)]
    assert refusal(wren.link, "registry.delete", {"registry": "clients"}) == "forbidden"
    assert operator.request("registry.delete", {"registry": "clients"}) == {"registry": "clients", "deleted": True}
    assert viewer.request("registry.list") == {"registries": [], "more": False}
