"""A broker that speaks TLS: its own CA and nothing else is trusted, under one name whatever address is dialled."""

import json
import ssl
import urllib.error

import pytest
from nexus_client import Aspect, Events, Link, Trust, access_token, http, is_message, uuid7


def test_a_conversation_over_tls(tls_nexus):
    url, keyfile = tls_nexus.url, tls_nexus.add_aspect("robin")
    assert url.startswith("https://127.0.0.1:")
    # An operator elsewhere has the certificate alone.
    trust = Trust.of_ca((tls_nexus.stack.data / "ca.pem").read_text())
    assert trust.name == Trust.of_keyfile(keyfile).name
    assert http("GET", f"{url}/api/v1/nexus", trust=trust)["nexus_id"] == keyfile["nexus_id"]
    kept = {key: keyfile[key] for key in ("nexus_id", "ca_pem")}
    assert http("GET", f"{url}/api/v1/ca", token=tls_nexus.token, trust=trust) == kept

    robin = Aspect(url, keyfile)
    robin.dial()
    operator = Link(url.replace("127.0.0.1", "localhost"), tls_nexus.token, trust)
    head = operator.request("subscribe", {})["head"]
    sent = operator.request("chat.send", {"to": ["robin"], "content": "who else can read this?"})
    assert robin.next_item()["body"]["id"] == sent["message"]
    robin.link.request("chat.send", {"reply_to": sent["message"], "content": "nobody"})
    said = operator.push("log", is_message("nobody"))
    assert said["actor"] == "robin"
    events = Events(url, tls_nexus.token, f"from_seq={head}&kinds=reacted,message&by=robin&activity=true", trust=trust)
    assert json.loads(events.next()["data"]) == {"kind": "log", "payload": said}
    events.close()

    # What was not acknowledged comes again over a new link to the broker that was killed.
    operator.request("chat.send", {"to": ["robin"], "content": "and now?"})
    assert robin.next_item(acknowledge=False)["body"]["content"] == "and now?"
    robin.link.cut()
    operator.close()
    tls_nexus.kill()
    tls_nexus.start()
    robin.url = tls_nexus.url
    robin.dial()
    assert robin.next_item()["body"]["content"] == "and now?"
    robin.link.close()


def test_who_cannot_prove_the_name_is_not_spoken_to(tls_nexus):
    url, keyfile = tls_nexus.url, tls_nexus.add_aspect("robin")
    good = Trust.of_keyfile(keyfile)
    token = access_token(url, keyfile, good)
    # A Nexus whose certificate this is not; and one that only a public authority could vouch for.
    another, public = Trust(keyfile["ca_pem"], uuid7()), Trust.of_keyfile(keyfile)
    public.context = ssl.create_default_context()
    for trust in (another, public):
        with pytest.raises(ssl.SSLCertVerificationError):
            Link(url, token, trust)
        with pytest.raises(urllib.error.URLError) as refused:
            http("GET", f"{url}/api/v1/nexus", trust=trust)
        assert isinstance(refused.value.reason, ssl.SSLCertVerificationError), refused.value
    link = Link(url, token, good)
    link.close()
