"""A service outside that is called by the broker: who asks for it never has the secret."""

import http.server
import json
import socket
import threading
import urllib.error
import urllib.request

import pytest
from nexus_client import PATIENCE_S, HttpProblem, access_token, settled
from nexus_client import http as call

SECRET = "s3cret-of-the-weather-service"


class Service:
    """Keeps what it is asked, and answers the second half of a stream when it is let."""

    def __init__(self):
        self.asked = []
        self.go_on = threading.Event()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.asked.append((self.command, self.path, headers, self.body(headers)))
                self.answer()

            do_GET = do_POST

            def answer(self):
                if self.path.startswith("/v1/moved"):
                    self.send_response(302)
                    self.send_header("Location", "/v1/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(203)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("X-Weather", "fair")
                self.send_header("Set-Cookie", "tracked=1")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.chunk(b"data: one\n\n")
                assert service.go_on.wait(PATIENCE_S)
                self.chunk(b"data: two\n\n")
                self.chunk(b"")

            def body(self, headers):
                if headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(headers.get("content-length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def chunk(self, data):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service():
    running = Service()
    yield running
    running.stop()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def proxied(nexus, token, path, method="GET", body=None, headers=()):
    """The open answer to a call by way of the broker, whatever its status."""
    request = urllib.request.Request(
        f"{nexus.url}/api/v1/proxy/{path}", method=method, data=body,
        headers={"Authorization": f"Bearer {token}", **dict(headers)})
    try:
        return urllib.request.build_opener(NoRedirect).open(request, timeout=PATIENCE_S)
    except urllib.error.HTTPError as error:
        return error


def add_credential(nexus, service, **changes):
    credential = {
        "name": "weather", "kind": "custom", "base_url": service.url, "header": "x-api-key", "secret": SECRET,
        "allowed_aspects": ["robin"], **changes,
    }
    return call("POST", f"{nexus.url}/api/v1/credentials", credential, token=nexus.token)


def used(subject):
    return lambda entry: entry["body"] == {"type": "other", "kind": "credential.used", "subject": subject}


def test_the_broker_calls_with_the_secret_and_streams_the_answer(nexus, operator, service):
    operator.request("subscribe", {})
    token = access_token(nexus.url, nexus.add_aspect("robin"))
    credential = {
        "name": "weather", "kind": "custom", "mode": "proxy", "base_url": service.url, "header": "x-api-key",
        "prefix": "", "allowed_aspects": ["robin"], "created_at": "time", "rotated_at": "time",
    }
    assert settled(add_credential(nexus, service)) == credential
    answer = proxied(
        nexus, token, "weather/now?place=sea%20shore", "POST", b'{"units":"metric"}',
        {"Content-Type": "application/json", "X-Asked-By": "robin", "X-Api-Key": "guessed", "Cookie": "a=b"})
    # The first half is here before the service has begun the second.
    assert (answer.status, answer.readline()) == (203, b"data: one\n")
    # The use is on record before it is over.
    assert operator.push("log", used("weather POST /v1/now"))["actor"] == "robin"
    service.go_on.set()
    assert answer.read() == b"\ndata: two\n\n"
    assert (answer.headers["Content-Type"], answer.headers["X-Weather"], answer.headers["Set-Cookie"]) == (
        "text/event-stream", "fair", None)
    [(method, path, headers, body)] = service.asked
    assert (method, path, body) == ("POST", "/v1/now?place=sea%20shore", b'{"units":"metric"}')
    assert (headers["x-api-key"], headers["content-type"], headers["x-asked-by"]) == (
        SECRET, "application/json", "robin")
    assert "authorization" not in headers and "cookie" not in headers
    assert token not in json.dumps(headers)

    moved = proxied(nexus, token, "weather/moved")
    assert (moved.status, moved.headers["Location"]) == (302, "/v1/elsewhere")
    assert [it[1] for it in service.asked[1:]] == ["/v1/moved"]

    # Nobody is shown the secret, and no file has it.
    listed = call("GET", f"{nexus.url}/api/v1/credentials", token=nexus.token)
    assert settled(listed) == {"credentials": [credential]}
    for who, status in ((token, 403), (nexus.token, 404)):
        with pytest.raises(HttpProblem) as kept:
            call("GET", f"{nexus.url}/api/v1/credentials/weather/secret", token=who)
        assert (kept.value.status, SECRET in json.dumps(kept.value.body)) == (status, False)
    operator.push("log", used("weather GET /v1/moved"))
    audit = call("GET", f"{nexus.url}/api/v1/audit?limit=200", token=nexus.token)
    for shown in (audit, operator.pushes, nexus.stack.broker.lines):
        assert SECRET not in json.dumps(shown)
    nexus.kill()
    files = [it for it in nexus.stack.data.rglob("*") if it.is_file()]
    assert files and not [it for it in files if SECRET.encode() in it.read_bytes()]


def test_who_may_not_use_it_finds_no_such_credential(nexus, operator, service):
    operator.request("subscribe", {})
    robin, wren = (access_token(nexus.url, nexus.add_aspect(name)) for name in ("robin", "wren"))
    add_credential(nexus, service)

    def refused(token, path):
        answer = proxied(nexus, token, path)
        problem = json.load(answer)
        assert (answer.headers["Content-Type"], problem["status"]) == ("application/problem+json", answer.status)
        return answer.status, problem["code"], problem["retryable"]

    for token in (wren, nexus.token):
        assert refused(token, "weather/now") == (404, "not_found", False)
    assert refused(robin, "nothing/now") == (404, "not_found", False)
    for token in ("nxo_guessed", ""):
        assert refused(token, "weather/now") == (401, "unauthorized", False)
    for path in ("weather/../secret", "weather/%2e%2e/secret", "weather/a/../../secret"):
        assert refused(robin, path) == (403, "forbidden", False), path
    assert service.asked == []
    assert operator.push("log", lambda it: it["body"].get("kind") == "refused.credential_use")["actor"] == "wren"

    # A right that is given to another, and the end of it all.
    about = f"{nexus.url}/api/v1/credentials/weather"
    changed = call("PUT", f"{about}/allowed", {"allowed_aspects": ["wren"]}, token=nexus.token)
    assert changed["allowed_aspects"] == ["wren"]
    assert refused(robin, "weather/now") == (404, "not_found", False)
    assert proxied(nexus, wren, "weather/moved").status == 302
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        add_credential(
            nexus, service, name="gone", base_url=f"http://127.0.0.1:{nobody.getsockname()[1]}",
            allowed_aspects=["wren"])
        assert refused(wren, "gone/now") == (502, "unavailable", True)
    call("DELETE", about, token=nexus.token)
    assert refused(wren, "weather/now") == (404, "not_found", False)
