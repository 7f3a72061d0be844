"""A client of the Nexus wire protocol, written from docs/protocol.md alone.

It shows that the page is enough: no code of this repository is used, only the `websockets` package, and
`cryptography` for the Ed25519 signature of an assertion and the subject of a certificate.
"""

import base64
import contextlib
import datetime
import json
import os
import select
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from http.client import HTTPConnection, HTTPSConnection

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from cryptography.x509.oid import NameOID
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# How long anything on loopback may take before it counts as not coming.
PATIENCE_S = 20


def uuid7():
    """RFC 9562, version 7: 48 bits of milliseconds, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def _base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def assertion(keyfile, **changes):
    """The JWT of RFC 7523 that an aspect proves its key with."""
    claims = {
        "iss": keyfile["name"],
        "sub": keyfile["name"],
        "aud": keyfile["nexus_id"],
        "jti": str(uuid.uuid4()),
        "exp": int(time.time()) + 50,
        **changes,
    }
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "EdDSA"}, claims))
    key = load_pem_private_key(keyfile["private_key"].encode(), password=None)
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


class Trust:
    """Of a broker that speaks TLS: its own CA and nothing else, under one name whatever address is dialled."""

    def __init__(self, ca_pem, nexus_id):
        self.name = f"{nexus_id}.nexus"
        self.context = ssl.create_default_context(cadata=ca_pem)
        # As newer versions of Python do by themselves.
        self.context.verify_flags |= ssl.VERIFY_X509_STRICT

    @classmethod
    def of_keyfile(cls, keyfile):
        return cls(keyfile["ca_pem"], keyfile["nexus_id"])

    @classmethod
    def of_ca(cls, ca_pem):
        """For who has the certificate and no keyfile: its subject says whose it is."""
        [name] = load_pem_x509_certificate(ca_pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return cls(ca_pem, name.value.removeprefix("Nexus "))

    def urlopen(self, request, timeout):
        trust = self

        class Named(HTTPSConnection):
            def connect(self):
                HTTPConnection.connect(self)
                self.sock = trust.context.wrap_socket(self.sock, server_hostname=trust.name)

        class Handler(urllib.request.HTTPSHandler):
            def https_open(self, request):
                return self.do_open(Named, request, context=trust.context)

        request.add_header("Host", f"{self.name}:{urllib.parse.urlsplit(request.full_url).port}")
        return urllib.request.build_opener(Handler).open(request, timeout=timeout)


class HttpProblem(Exception):
    """An answer that is no success, with the body of RFC 9457."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


def http_bytes(method, url, body=None, token=None, headers=None, trust=None):
    """One HTTP request, with bytes each way: the status, headers and body of a good answer."""
    request = urllib.request.Request(url, method=method, headers=dict(headers or {}), data=body)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with (trust.urlopen if trust else urllib.request.urlopen)(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        raw = error.read()
        raise HttpProblem(error.code, json.loads(raw) if raw else None) from None


def http(method, url, body=None, token=None, headers=None, trust=None):
    """One HTTP request with a JSON body each way."""
    headers = dict(headers or {})
    if body is not None:
        body = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    _, _, raw = http_bytes(method, url, body, token, headers, trust)
    return json.loads(raw) if raw else None


def access_token(url, keyfile, trust=None):
    """Exchanges a signed assertion for the token that opens links."""
    asked = {"grant_type": GRANT, "assertion": assertion(keyfile)}
    answer = http("POST", f"{url}/api/v1/token", asked, trust=trust)
    assert answer["token_type"] == "Bearer", answer
    return answer["access_token"]


class Events:
    """The stream of `GET /api/v1/events`."""

    def __init__(self, url, token, query="", last_id=None, trust=None):
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        request = urllib.request.Request(f"{url}/api/v1/events?{query}", headers=headers)
        self.answer = (trust.urlopen if trust else urllib.request.urlopen)(request, timeout=PATIENCE_S)

    def next(self):
        """The fields of the next event; comments are passed over."""
        event = {}
        while line := self.answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(":")
            if name:
                event[name] = value.removeprefix(" ")
            elif event:
                return event
        raise ConnectionError("the stream has ended")

    def close(self):
        self.answer.close()


class Refused(Exception):
    """An `error` reply."""

    def __init__(self, payload):
        super().__init__(f"{payload['code']}: {payload['message']}")
        self.payload = payload
        self.code = payload["code"]


def _over_tls(raw, trust):
    """A plain socket, what goes through which a thread carries over TLS: the library reads in one thread and writes in
    another, and one TLS connection is not for two threads at once (openssl-threads(7))."""
    near, far = socket.socketpair()
    secured = trust.context.wrap_socket(raw, server_hostname=trust.name)
    threading.Thread(target=_carry, args=(secured, far), daemon=True).start()
    return near


def _carry(secured, far):
    with secured, far, contextlib.suppress(OSError):
        while True:
            secured.setblocking(False)
            try:
                while got := secured.recv(65536):
                    far.sendall(got)
                return
            except ssl.SSLWantReadError:
                ready, _, _ = select.select([secured, far], [], [])
            if far in ready:
                said = far.recv(65536)
                if not said:
                    return
                secured.setblocking(True)
                secured.sendall(said)


class Link:
    """One WebSocket. A thread of its own reads, so that pushes are kept in order while a reply is awaited."""

    def __init__(self, url, token, trust=None):
        secured = {}
        if trust:
            # The address is dialled, and the name is what the handshake and the `Host` are about.
            at = urllib.parse.urlsplit(url)
            secured = {"sock": _over_tls(socket.create_connection((at.hostname, at.port)), trust)}
            url = f"http://{trust.name}:{at.port}"
        opened = connect(
            f"{url.replace('http', 'ws', 1)}/connect",
            subprotocols=["nexus.v1"],
            additional_headers={"Authorization": f"Bearer {token}"},
            max_size=None,
            open_timeout=PATIENCE_S,
            **secured,
        )
        self.socket = opened.__enter__()
        self.replies, self.pushes = {}, []
        self.close_code = None
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for text in self.socket:
                frame = json.loads(text)
                with self.changed:
                    if frame.get("in_reply_to"):
                        self.replies[frame["in_reply_to"]] = frame
                    else:
                        self.pushes.append(frame)
                    self.changed.notify_all()
        except ConnectionClosed:
            pass
        with self.changed:
            self.close_code = self.socket.close_code
            self.changed.notify_all()

    def send(self, kind, payload=None, request=None):
        """Sends a frame; with a `request` id the broker owes one reply."""
        frame = {"kind": kind, "ts": datetime.datetime.now(datetime.UTC).isoformat()}
        if request:
            frame["id"] = request
        if payload is not None:
            frame["payload"] = payload
        self.socket.send(json.dumps(frame))

    def begin(self, kind, payload=None, request=None):
        """Sends a request; what it returns is for `reply`."""
        request = request or uuid7()
        with self.changed:
            # A repeat under the same id waits for the new reply.
            self.replies.pop(request, None)
        self.send(kind, payload, request)
        return request

    def reply(self, request):
        """The payload of the one reply to a request that was begun; an `error` is raised."""
        reply = self._wait(lambda: self.replies.get(request), f"the reply to {request}")
        if reply["kind"] == "error":
            raise Refused(reply["payload"])
        return reply["payload"]

    def request(self, kind, payload=None, request=None):
        return self.reply(self.begin(kind, payload, request))

    def push(self, kind, matches=lambda payload: True):
        """The payload of the next push of that kind that matches; others keep their place."""

        def take():
            for at, frame in enumerate(self.pushes):
                if frame["kind"] == kind and matches(frame["payload"]):
                    return self.pushes.pop(at)
            return None

        return self._wait(take, f"a {kind} frame")["payload"]

    def closed(self):
        """The close code, once the broker has ended the link."""
        return self._wait(lambda: self.close_code, "the end of the link", or_closed=False)

    def _wait(self, ready, what, or_closed=True):
        deadline = time.monotonic() + PATIENCE_S
        with self.changed:
            while True:
                found = ready()
                if found is not None:
                    return found
                if or_closed and self.close_code is not None:
                    raise ConnectionError(f"the link was closed with {self.close_code} before {what} came")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{what} did not come; pushes so far: {self.pushes}")
                self.changed.wait(left)

    def close(self):
        self.socket.close()

    def cut(self):
        """The link is lost: no close frame goes out."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)
        assert self.closed() == 1006


def settled(value):
    """The value with "time" in the place of each time, which is within days of now, or 0."""
    if isinstance(value, list):
        return [settled(part) for part in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, part in value.items():
        if key in ("at", "since") or key.endswith(("_at", "_since")):
            assert part == 0 or abs(part / 1000 - time.time()) < 10 * 86_400, (key, part)
            out[key] = part and "time"
        else:
            out[key] = settled(part)
    return out


def refusal(link, kind, payload):
    """The code of the error that answers a request, which has to be one."""
    try:
        done = link.request(kind, payload)
    except Refused as refused:
        return refused.code
    raise AssertionError(f"{kind} {payload} was not refused: {done}")


def is_message(content):
    """Picks the log's entry of a message."""
    return lambda entry: entry["body"]["type"] == "message" and entry["body"]["content"] == content


def ended(dispatch):
    """Picks the log's entry of a dispatch's end."""
    return lambda entry: entry["body"]["type"] == "dispatch_ended" and entry["body"]["dispatch"] == dispatch


def other(kind, subject):
    """Picks the log's entry of a change that has no type of its own."""
    return lambda entry: entry["body"] == {"type": "other", "kind": kind, "subject": subject}


def kinds_of(operator, subject):
    """What became of something, the first first."""
    kinds, asked = [], {"subject": subject}
    while asked:
        page = operator.request("audit.list", asked)
        kinds += [it["kind"] for it in page["entries"]]
        # A page may be empty and not the last.
        asked = {**asked, "before": page["next"]} if page["more"] else None
    return kinds[::-1]


class Aspect:
    """An aspect: one registered link, an inbox, and the cursor that survives the link."""

    def __init__(self, url, keyfile, **register):
        self.url, self.keyfile, self.register = url, keyfile, register
        self.resume, self.generation, self.leases = None, 0, []
        self.link = None

    @property
    def name(self):
        return self.keyfile["name"]

    def dial(self):
        """A new link that speaks for this aspect; what was not acknowledged comes again."""
        trust = Trust.of_keyfile(self.keyfile) if self.url.startswith("https:") else None
        self.link = Link(self.url, access_token(self.url, self.keyfile, trust), trust)
        payload = {
            "model": "none",
            "provider": "python",
            "context_mode": "thread",
            "leases": self.leases,
            "last_generation": self.generation,
            **self.register,
        }
        if self.resume:
            payload["resume"] = self.resume
        registered = self.link.request("register", payload)
        self.generation = registered["generation"]
        self.epoch = registered["epoch"]
        self.offset = registered["offset"]
        return registered

    def next_item(self, acknowledge=True):
        """The next item of the inbox. A real client writes it to its disk before it acknowledges."""
        delivered = self.link.push("deliver")
        assert delivered["offset"] == self.offset + 1, (delivered["offset"], self.offset)
        self.offset = delivered["offset"]
        item = delivered["item"]
        if acknowledge:
            self.resume = {"epoch": self.epoch, "offset": self.offset, "item": item["id"]}
            self.link.send("ack", {"offset": self.offset})
        return item
