"""A broker with a team's data in it, and for each operation of the HTTP API a request that has to succeed there."""

import hashlib
import json
import pathlib
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
sys.path.insert(0, str(HERE.parents[2] / "scripts/lib"))
from nexus_client import GRANT, Aspect, access_token, assertion, http, uuid7  # noqa: E402

PASSWORD = "correct horse battery staple"
SETTINGS = """
# keel is away from the beginning: an alert that is there to be acknowledged.
expected_roster = ["keel"]
expected_grace_s = 1
[limits]
# What is no good as a credential is most of what is sent here.
failures_per_min = 1000000
"""
# Whom the runs ask as, and what they need to be there to the end. See `before_call` in hooks.py.
KEPT = {"admin", "ada", "vic", "robin", "vault", "local"}
# A part of an aspect's public key, and of an operator's token.
PUBLIC_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
STEPS = [{"id": "a", "do": {"dispatch": {"hand": "robin/slow", "input": {"n": "{{ default(input, 1) }}"}}}}]
TRIGGER = {"name": "weekly", "when": {"every": {"seconds": 604800}},
           "do": {"dispatch": {"hand": "robin/slow", "input": {"n": 1}}}}
HOOK = {**TRIGGER, "name": "pushed", "when": {"webhook": {"preset": "github"}}}
REGISTRY = {"name": "clients", "key": "id", "fields": [
    {"name": "id", "type": "string"}, {"name": "state", "type": "string", "enum": ["lead", "active"]}]}
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Nexus:
    """What the examples ask: as the admin, over HTTP."""

    def __init__(self, facts):
        self.facts = facts
        self.url = facts["url"]

    def __getitem__(self, name):
        return self.facts[name]

    def post(self, path, body=None):
        return self.ask("POST", path, {} if body is None else body)

    def ask(self, method, path, body=None):
        return http(method, f"{self.url}/api/v1{path}", body, self["admin"])

    def blob(self, content):
        request = urllib.request.Request(f"{self.url}/api/v1/blobs?name=notes.txt", method="PUT", data=content)
        request.add_header("Content-Type", "text/plain")
        request.add_header("Authorization", f"Bearer {self['admin']}")
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())["id"].removeprefix("blob:")

    def session(self):
        """The cookie of somebody who has just logged in."""
        body = json.dumps({"name": "lou", "password": PASSWORD}).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/login", method="POST", data=body)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return answer.headers["Set-Cookie"].split(";")[0].partition("=")[2]

    def operator(self):
        """Somebody who may be shut out again."""
        name = f"op-{uuid7()[-12:]}"
        self.post("/operators", {"name": name, "role": "viewer", "token_sha256": uuid7().replace("-", "") * 2})
        return name

    def invitation(self, name=None):
        """The token of somebody who may come in."""
        name = name or f"in-{uuid7()[-12:]}"
        # There is an end to how many may be open.
        for open_one in self.ask("GET", "/invitations")["invitations"]:
            self.ask("DELETE", f"/invitations/{open_one['name']}")
        return self.post("/invitations", {"name": name, "role": "viewer"})["token"]

    def aspect(self):
        name = f"as-{uuid7()[-12:]}"
        self.post("/aspects", {"name": name, "role": "worker", "public_key": PUBLIC_KEY})
        return name

    def credential(self):
        name = f"cr-{uuid7()[-12:]}"
        self.post("/credentials", {**CREDENTIAL, "name": name})
        return name

    def flow(self):
        self.ask("PUT", "/flows/evening", {"id": "evening", "steps": STEPS})
        return "evening"

    def registry(self):
        self.ask("PUT", "/registries/clients", {"registry": REGISTRY, "entries": [{"id": "acme", "state": "lead"}]})
        return "clients"

    def trigger(self):
        self.post("/triggers", TRIGGER)
        return TRIGGER["name"]

    def hook(self):
        self.post("/triggers", HOOK)
        return HOOK["name"]

    def run(self):
        return self.post("/runs", {"flow": self.flow()})["run"]

    def over(self):
        run = self.run()
        self.post(f"/runs/{run}/cancel")
        return run

    def dispatch(self):
        return self.post("/dispatches", {"hand": "robin/slow", "input": {"n": 1}})["dispatch"]


CREDENTIAL = {
    "name": "vault",
    "kind": "custom",
    "mode": "both",
    "base_url": "https://127.0.0.1:9",
    "allowed_aspects": ["robin"],
    "secret": "canary",
}


def workspace(folder):
    """One with a skill, and without the aspects that are shipped."""
    files = {"skills/tidy.md": "# Tidy\n\nPut things where they belong.\n",
             "aspects/harrow.remove": "", "aspects/runner.remove": ""}
    for name, text in files.items():
        file = folder / "workspace" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "workspace"


def build(nexus):
    """Fills a fresh broker; returns the facts about it, and the aspect that is connected to it."""
    http("PUT", f"{nexus.url}/api/v1/operators/admin/password", {"password": PASSWORD}, nexus.token)
    facts = {"url": nexus.url, "admin": nexus.token}
    api = Nexus(facts)
    for name, role in (("ada", "operator"), ("vic", "viewer"), ("lou", "operator")):
        token = f"nxo_{name}_{uuid7()}"
        api.post("/operators", {"name": name, "role": role, "token_sha256": sha256(token)})
        facts[name] = token
    api.ask("PUT", "/operators/lou/password", {"password": PASSWORD})
    keyfile = nexus.add_aspect("robin")
    hand = {"description": "adds", "timeout_s": 600, "concurrency": 2, "capabilities": ["sums"]}
    robin = Aspect(nexus.url, keyfile, hands=[{"name": "add", **hand}, {"name": "slow", **hand}], slots=2)
    robin.dial()
    facts.update(keyfile=keyfile, robin=access_token(nexus.url, keyfile))
    api.post("/credentials", CREDENTIAL)
    facts["blob"] = api.blob(b"what was found out")
    sent = api.post(
        "/messages",
        {"to": ["robin"], "content": "what holds?", "topic": "claims",
         "attachments": [{"blob": f"blob:{facts['blob']}", "name": "notes.txt"}]},
    )
    robin.next_item()
    robin.link.request("chat.send", {"reply_to": sent["message"], "content": "all of it", "meta": META})
    facts.update(message=sent["message"], thread=sent["thread"])
    robin.link.request("knowledge.store", {"topic": "deploys", "content": "Never on a Friday.", "shared": True})
    asked = {"type": "tool", "tool": "run_command", "summary": "run the tests", "arguments": "cargo test"}
    facts["approval"] = robin.link.request("approval.ask", {"asked": asked})["id"]
    facts["done"] = work(api, robin, {"output": 3})
    facts["dead"] = work(api, robin, {"error": {"code": "too_hard", "message": "no"}})
    threading.Thread(target=answer_about_sessions, args=[robin], daemon=True).start()
    deadline = time.monotonic() + 20
    while not api.ask("GET", "/alerts")["alerts"]:
        assert time.monotonic() < deadline, "no alert about keel"
        time.sleep(0.05)
    return facts, robin


META = {
    "turn": "0199a0b1-c2d3-7123-8456-789abcdef012",
    "provider": "python",
    "model": "none",
    "usage": {"input_tokens": 3, "output_tokens": 2},
    "cost_microusd": 7,
}


# The one entry of robin's one session.
ENTRY = "0199a0b1-c2d3-7123-8456-789abcdef00a"
SESSION = {
    "list": {"sessions": [{"session": "global", "kind": "global", "bytes": 1, "at": 0}]},
    "tree": {
        "session": "global",
        "head": ENTRY,
        "entries": [{"id": ENTRY, "kind": "turn.user", "at": 0, "active": True, "summary": "what holds?"}],
    },
    "entry": {"entry": {"id": ENTRY}},
    "diff": {"session": "global", "one": {"entries": [], "left_out": 0}, "other": {"entries": [], "left_out": 0}},
    "expand": {"session": "global", "entry": ENTRY, "entries": []},
}


def answer_about_sessions(robin):
    """As a runtime answers, until the link ends."""
    while True:
        try:
            ask = robin.link.push("session.ask")
        except TimeoutError:
            continue
        except ConnectionError:
            return
        robin.link.send("session.answer", {"question": ask["question"], "answer": SESSION[ask["about"]["type"]]})


def work(api, robin, result):
    """A dispatch that has ended with `result`."""
    dispatch = api.post("/dispatches", {"hand": "robin/add", "input": {"a": 1, "b": 2}})["dispatch"]
    item = robin.next_item()["body"]
    while item["type"] != "assignment":
        item = robin.next_item()["body"]
    robin.link.request("dispatch.result", {"lease": item["lease"], **result})
    return dispatch


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def example(world, operation):
    """Requests for an operation, each to succeed. Made when they are about to be sent: what one of them takes away
    is made for it."""
    found = EXAMPLES.get(operation)
    if found is None:
        return []
    made = found(world)
    return made if isinstance(made, list) else [made]


def path(**parameters):
    return {"path_parameters": parameters}


def query(**parameters):
    return {"query": parameters}


EXAMPLES = {
    # Alerts
    "listAlerts": lambda _: query(all="true", limit="1"),
    "ackAlert": lambda _: {"body": {"key": "aspect_missing/keel"}},
    # Approvals
    "listApprovals": lambda _: query(all="true", limit="1"),
    "getApproval": lambda world: path(approval=world["approval"]),
    "answerApproval": lambda world: {**path(approval=world["approval"]), "body": {"verdict": "deny", "text": "no"}},
    # Aspects
    "listAspects": lambda _: query(limit="1"),
    "addAspect": lambda _: {"body": {"name": "newcomer", "role": "worker", "public_key": PUBLIC_KEY}},
    "getAspect": lambda _: path(name="robin"),
    "revokeAspect": lambda world: path(name=world.aspect()),
    "getAspectKey": lambda _: path(name="robin"),
    "restrainAspect": lambda world: {
        **path(name=world.aspect()), "body": {"kind": "paused", "reason": "its disk is being changed"}},
    "releaseAspect": lambda world: path(name=world.aspect()),
    "listAspectSessions": lambda _: {**path(name="robin"), **query(limit="1")},
    "getAspectSessionTree": lambda _: path(name="robin", session="global"),
    "getAspectSessionEntry": lambda _: path(name="robin", session="global", entry=ENTRY),
    "rewindAspectSession": lambda _: {**path(name="robin", session="global"), "body": {"entry": ENTRY}},
    "forkAspectSession": lambda _: {**path(name="robin", session="global"), "body": {"say": "and now?"}},
    "compactAspectSession": lambda _: path(name="robin", session="global"),
    "cancelAspectTurns": lambda _: {**path(name="robin"), "body": {"reason": "enough"}},
    "goOnAspectTurns": lambda _: {**path(name="robin"), "body": {}},
    "summariseAspectSession": lambda _: {**path(name="robin", session="global"), "body": {"entry": ENTRY}},
    "diffAspectSession": lambda _: {**path(name="robin", session="global"), **query(one=ENTRY)},
    "expandAspectSessionEntry": lambda _: path(name="robin", session="global", entry=ENTRY),
    "getSessionCommand": lambda world: path(
        command=world.post("/aspects/robin/sessions/global/rewind", {"entry": ENTRY})["command"]),
    "rotateAspectKey": lambda world: {
        **path(name=world.aspect()), "body": {"public_key": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}},
    # Audit
    "listAudit": lambda world: [query(kind="message", thread=world["thread"]), query(by="operator/admin")],
    "getEvents": lambda world: [query(from_seq="0"), query(from_seq="0", thread=world["thread"], roster="true")],
    "getUsage": lambda _: [query(by="hand"), query(by="day", since="0"), query(by="model")],
    # Backup
    "getHome": lambda _: {},
    "listSkills": lambda _: query(limit="1"),
    "getSkill": lambda _: path(name="tidy"),
    "listWorkspace": lambda _: query(limit="1"),
    "makeBackup": lambda _: {"body": {"name": f"b-{uuid7()}.tar"}},
    # Blobs
    "listBlobs": lambda _: query(limit="1"),
    "getBlobInfo": lambda world: path(blob=world["blob"]),
    "putBlob": lambda _: {"body": b"bytes", "media_type": "application/octet-stream", **query(name="b.bin")},
    "getBlob": lambda world: [
        path(blob=world["blob"]),
        {**path(blob=world["blob"]), "headers": {"Range": "bytes=5-7"}},
    ],
    # Broker
    "getNexus": lambda _: {},
    "getToken": lambda world: {"body": {"grant_type": GRANT, "assertion": assertion(world["keyfile"])}},
    "health": lambda _: {},
    "ready": lambda _: {},
    "getMetrics": lambda _: {},
    # Credentials
    "listCredentials": lambda _: {},
    "addCredential": lambda _: {"body": {**CREDENTIAL, "name": "another"}},
    "getCredential": lambda _: path(name="vault"),
    "removeCredential": lambda world: path(name=world.credential()),
    "fetchCredential": lambda _: path(name="vault"),
    "allowCredential": lambda world: {**path(name=world.credential()), "body": {"allowed_aspects": ["robin"]}},
    "rotateCredential": lambda _: {**path(name="vault"), "body": {"secret": "canary"}},
    # Dispatches
    "listDispatches": lambda _: [query(dead="true"), query(open="true", limit="1")],
    "createDispatch": lambda _: [
        {"body": {"hand": "robin/add", "input": {"a": 1, "b": 2}}},
        {"body": {"capability": {"needs": ["sums"]}, "input": {"a": 1}}},
    ],
    "getDispatch": lambda world: path(dispatch=world["done"]),
    "cancelDispatch": lambda world: {**path(dispatch=world.dispatch()), "body": {"reason": "not needed"}},
    "retryDispatch": lambda world: {**path(dispatch=world["dead"]), "body": {"deadline_s": 600}},
    "listGathers": lambda _: query(limit="1"),
    "createGather": lambda world: [
        {"body": {"dispatches": [world.dispatch(), world.dispatch()], "deadline_s": 600}},
        {"body": {"dispatches": [world["done"], world["dead"]], "policy": "n", "n": 1}},
    ],
    "getGather": lambda world: path(
        gather=world.post("/gathers", {"dispatches": [world.dispatch()], "policy": "first"})["gather"]),
    "cancelGather": lambda world: {
        **path(gather=world.post("/gathers", {"dispatches": [world.dispatch()]})["gather"]), "body": {}},
    # Flows
    "listFlows": lambda world: world.flow() and query(limit="1"),
    "getFlow": lambda world: path(flow=world.flow()),
    "putFlow": lambda _: {
        **path(flow="morning"), "body": {"id": "morning", "steps": STEPS, "output": "{{ steps.a.output }}"}},
    "deleteFlow": lambda world: path(flow=world.flow()),
    "listRuns": lambda world: world.run() and [query(limit="1"), query(all="true", flow="evening")],
    "startRun": lambda world: {"body": {"flow": world.flow(), "input": {"n": 1}}},
    "getRun": lambda world: path(run=world.run()),
    "cancelRun": lambda world: {**path(run=world.run()), "body": {"reason": "not today"}},
    "retryRun": lambda world: {**path(run=world.over()), "body": {"from": "a"}},
    # Registries
    "listRegistries": lambda world: world.registry() and query(limit="1"),
    "getRegistry": lambda world: path(registry=world.registry()),
    "putRegistry": lambda _: {
        **path(registry="clients"), "body": {"registry": REGISTRY, "entries": [{"id": "blue", "state": "active"}]}},
    "deleteRegistry": lambda world: path(registry=world.registry()),
    "listRows": lambda world: {**path(registry=world.registry()), **query(filter='state == "lead"', limit="1")},
    "writeRow": lambda world: {
        **path(registry=world.registry()), "body": {"row": "acme", "values": {"state": "active"}}},
    "getRow": lambda world: path(registry=world.registry(), row="acme"),
    "removeRow": lambda world: path(registry=world.registry(), row="acme"),
    "listChanges": lambda world: {**path(registry=world.registry()), **query(row="acme", limit="1")},
    # Knowledge
    "listKnowledge": lambda _: query(of="robin", prefix="dep", limit="1"),
    "storeKnowledge": lambda _: {"body": {"topic": "mine", "content": "written down"}},
    "deleteKnowledge": lambda _: {"body": {"topic": "deploys", "of": "robin"}},
    "getKnowledge": lambda _: query(topic="deploys", of="robin", version="1"),
    "listKnowledgeGrants": lambda _: query(to="robin"),
    "grantKnowledge": lambda _: {"body": {"to": "robin", "may": "read", "of": "operator/admin"}},
    "revokeKnowledge": lambda _: {"body": {"to": "robin", "may": "read", "of": "operator/admin"}},
    "knowledgeHistory": lambda _: query(topic="deploys", of="robin"),
    "searchKnowledge": lambda _: query(query="friday"),
    # Messages and threads
    "sendMessage": lambda _: {"body": {"to": ["robin"], "content": "and now?"}},
    "getMessage": lambda world: path(message=world["message"]),
    "getThread": lambda world: path(thread=world["thread"]),
    "searchMessages": lambda world: query(query="holds", thread=world["thread"]),
    "reactToMessage": lambda world: {**path(message=world["message"]), "body": {"emoji": "👍"}},
    "listReceipts": lambda world: path(message=world["message"]),
    "listThreads": lambda _: query(participant="robin", limit="1"),
    "listMessages": lambda world: [
        {**path(thread=world["thread"]), **query(limit="1")},
        {**path(thread=world["thread"]), **query(before="1000000")},
    ],
    "markThread": lambda world: {**path(thread=world["thread"]), "body": {}},
    "renameThread": lambda world: {**path(thread=world["thread"]), "body": {"title": "claims"}},
    # Operators and sessions
    "listOperators": lambda _: {},
    "addOperator": lambda _: {"body": {"name": "ana", "role": "operator", "token_sha256": DIGEST}},
    "listInvitations": lambda _: {},
    "addInvitation": lambda _: {"body": {"name": "guest", "role": "viewer", "expires_in_s": 3600}},
    "revokeInvitation": lambda world: world.invitation("gone") and path(name="gone"),
    "acceptInvitation": lambda world: {"body": {"token": world.invitation(), "password": PASSWORD}},
    "revokeOperator": lambda world: path(name=world.operator()),
    "setPassword": lambda world: {**path(name=world.operator()), "body": {"password": PASSWORD}},
    "listTokens": lambda _: path(name="lou"),
    "addToken": lambda world: {**path(name=world.operator()), "body": {"name": "laptop"}},
    "revokeToken": lambda world: path(name=world.operator(), token="first"),
    "logIn": lambda _: {"body": {"name": "lou", "password": PASSWORD}},
    "logInByToken": lambda world: {"body": {"token": world["admin"]}},
    "tokenForPassword": lambda _: {
        "body": {"name": "lou", "password": PASSWORD, "token": {"name": f"t-{uuid7()}"[:32]}}},
    "setOperatorRole": lambda world: {**path(name=world.operator()), "body": {"role": "viewer"}},
    "logOut": lambda world: {"cookies": {"nexus_session": world.session()}},
    "getSession": lambda _: {},
    "offerSetup": lambda _: {},
    "setUp": lambda world: {
        "body": {"setup_token": world.post("/setup/token")["setup_token"], "name": "owner", "password": PASSWORD}},
    # Triggers
    "listTriggers": lambda world: world.trigger() and query(limit="1"),
    "putTrigger": lambda _: {"body": TRIGGER},
    "getTrigger": lambda world: path(trigger=world.trigger()),
    "deleteTrigger": lambda world: path(trigger=world.trigger()),
    "fireTrigger": lambda world: {**path(trigger=world.trigger()), "body": {"payload": {"ticket": 7}}},
    "listTriggerSlots": lambda world: {**path(trigger=world.trigger()), **query(limit="1")},
    "planTrigger": lambda world: {**path(trigger=world.trigger()), **query(limit="3")},
    "pauseTrigger": lambda world: {**path(trigger=world.trigger()), "body": {"reason": "on holiday"}},
    "resumeTrigger": lambda world: path(trigger=world.trigger()),
    "rotateTrigger": lambda world: {**path(trigger=world.hook()), "body": {"overlap_s": 3600}},
}
