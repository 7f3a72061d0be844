"""A file goes by HTTP, and a message names it: who may read the message may have the file."""

import hashlib
import json

import pytest
from nexus_client import HttpProblem, access_token, http, http_bytes, refusal, settled

PICTURE = bytes(range(256)) * 1_000


def name_of(body):
    return "sha256-" + hashlib.sha256(body).hexdigest()


def put(nexus, token, body, query):
    headers = {"Content-Type": "image/png"}
    _, _, raw = http_bytes("PUT", f"{nexus.url}/api/v1/blobs?{query}", body, token, headers)
    return json.loads(raw)


def status_of(ask):
    """Of an answer that is no success."""
    with pytest.raises(HttpProblem) as refused:
        ask()
    return refused.value.status


def test_a_file_is_had_by_those_it_is_sent_to(nexus, operator, robin, wren):
    to_robin, to_wren = (access_token(nexus.url, it.keyfile) for it in (robin, wren))
    blob = f"{nexus.url}/api/v1/blobs/{name_of(PICTURE)}"
    kept = put(nexus, nexus.token, PICTURE, f"name=lighthouse.png&expect={name_of(PICTURE)}")
    known = {
        "id": f"blob:{name_of(PICTURE)}", "bytes": len(PICTURE), "media_type": "image/png", "name": "lighthouse.png",
        "at": "time", "owners": ["operator/admin"], "references": 0}
    assert settled(kept) == known
    attached = {"blob": kept["id"], "name": "lighthouse.png", "media_type": "image/png", "bytes": len(PICTURE)}
    mine = {"to": ["operator/admin"], "content": "", "attachments": [attached]}
    # Its name alone opens it to nobody.
    assert refusal(robin.link, "chat.send", mine) == "not_found"
    assert status_of(lambda: http_bytes("GET", blob, token=to_robin)) == 404

    operator.request("chat.send", {"to": ["robin"], "content": "", "attachments": [attached]})
    assert robin.next_item()["body"]["attachments"] == [attached]
    status, headers, body = http_bytes("GET", blob, token=to_robin)
    assert (status, body, headers["Content-Type"]) == (200, PICTURE, "image/png")
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"
    status, part, body = http_bytes("GET", blob, token=to_robin, headers={"Range": "bytes=256-511"})
    assert (status, part["Content-Range"], body) == (206, f"bytes 256-511/{len(PICTURE)}", PICTURE[256:512])
    for asked, status in (({"If-None-Match": headers["ETag"]}, 304), ({"Range": f"bytes={len(PICTURE)}-"}, 416)):
        assert status_of(lambda: http_bytes("GET", blob, token=to_robin, headers=asked)) == status, asked
    assert settled(http("GET", f"{blob}/info", token=nexus.token)) == {**known, "references": 1}
    assert settled(http("GET", f"{blob}/info", token=to_robin)) == {**known, "references": 1, "owners": []}
    assert status_of(lambda: http_bytes("GET", blob, token=to_wren)) == 404
    # Whoever has it may show it to others.
    robin.link.request("chat.send", {"to": ["wren"], "content": "look", "attachments": [attached]})
    assert wren.next_item()["body"]["attachments"] == [attached]
    assert http_bytes("GET", blob, token=to_wren)[2] == PICTURE


def test_the_same_bytes_are_one_file_and_others_than_expected_none(nexus, robin):
    first = put(nexus, nexus.token, b"one", "name=a.txt")
    again = put(nexus, access_token(nexus.url, robin.keyfile), b"one", "name=b.txt")
    assert (again["id"], again["name"]) == (first["id"], "a.txt")
    wrong = f"name=c.txt&expect={name_of(b'three')}"
    assert status_of(lambda: put(nexus, nexus.token, b"two", wrong)) == 400
    listed = http("GET", f"{nexus.url}/api/v1/blobs", token=nexus.token)
    assert [(it["id"], sorted(it["owners"])) for it in listed["blobs"]] == [
        (first["id"], ["operator/admin", "robin"])]
    assert (listed["used_bytes"], "next_cursor" in listed) == (3, False)
