"""The official A2A SDK against the A2A door, by both bindings it has for HTTP."""

import asyncio

import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, create_client
from a2a.client.errors import A2AClientError
from a2a.types import (
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskState,
)
from a2a.utils.errors import (
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from google.protobuf.json_format import MessageToDict, ParseDict

# How long anything may take before it counts as a hang. Never a measurement.
PATIENCE = 60
BINDINGS = ["JSONRPC", "HTTP+JSON"]


def run(story):
    asyncio.run(asyncio.wait_for(story, PATIENCE))


async def client_of(team, binding, streaming=True, of="wren"):
    http = httpx.AsyncClient(headers=team.headers, timeout=PATIENCE)
    config = ClientConfig(httpx_client=http, streaming=streaming, supported_protocol_bindings=[binding])
    client = await create_client(f"{team.url}/a2a/{of}", config, resolver_http_kwargs={"headers": team.headers})
    # The one that the binding has, and not another that stood in for it.
    expected = {"JSONRPC": "JsonRpcTransport", "HTTP+JSON": "RestTransport"}[binding]
    assert transport_name(client) == expected
    return client


def transport_name(client):
    transport = client._transport
    while hasattr(transport, "_base"):
        transport = transport._base
    return type(transport).__name__


def request(message_id, text=None, at_once=False, **rest):
    parts = [] if text is None else [Part(text=text)]
    message = Message(message_id=message_id, role=Role.ROLE_USER, parts=parts, **rest)
    made = SendMessageRequest(message=message)
    made.configuration.return_immediately = at_once
    return made


async def one(client, made):
    """The task that a message is answered by, without a stream."""
    (event,) = [event async for event in client.send_message(made)]
    return event.task


def text_of(task):
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


async def until(client, task_id, state):
    while True:
        task = await client.get_task(GetTaskRequest(id=task_id))
        if task.status.state == state:
            return task
        await asyncio.sleep(0.02)


def test_cards_are_resolved(team):
    async def story():
        async with httpx.AsyncClient() as stranger:
            card = await A2ACardResolver(stranger, team.url).get_agent_card()
            assert card.name == "Nexus"
            assert [it.url for it in card.supported_interfaces] == [f"{team.url}/a2a/nexus"] * 2
            assert card.capabilities.streaming and card.capabilities.extended_agent_card
            assert "wren" not in str(card)
            schemes = MessageToDict(card)["securitySchemes"]
            assert schemes["bearer"]["httpAuthSecurityScheme"]["scheme"] == "Bearer"
        for binding in BINDINGS:
            client = await client_of(team, binding, of="nexus")
            extended = await client.get_extended_agent_card(GetExtendedAgentCardRequest())
            assert "wren" in [skill.id for skill in extended.skills]
            client = await client_of(team, binding)
            skills = [skill.id for skill in (await client.get_extended_agent_card(GetExtendedAgentCardRequest())).skills]
            assert "talk" in skills and "verify" in skills

    run(story())


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_message_is_answered_and_its_task_found_again(team, binding):
    async def story():
        client = await client_of(team, binding, streaming=False)
        task = await one(client, request("m-1", "hello"))
        assert (task.status.state, text_of(task)) == (TaskState.TASK_STATE_COMPLETED, "hello yourself")
        assert await client.get_task(GetTaskRequest(id=task.id)) == task
        assert (await one(client, request("m-1", "hello"))).id == task.id
        with pytest.raises(InvalidParamsError):
            await one(client, request("m-1", "another"))
        again = await one(client, request("m-2", "hello", context_id=task.context_id))
        assert again.context_id == task.context_id
        page = await client.list_tasks(ListTasksRequest(page_size=1))
        assert ([it.id for it in page.tasks], page.total_size) == ([again.id], 2)
        rest = await client.list_tasks(ListTasksRequest(page_token=page.next_page_token, include_artifacts=True))
        assert (list(rest.tasks), rest.next_page_token) == ([task], "")
        with pytest.raises(TaskNotFoundError):
            await client.get_task(GetTaskRequest(id="no-such-task"))

    run(story())


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_skill_is_work_for_a_hand(team, binding):
    async def story():
        client = await client_of(team, binding, streaming=False)
        made = request("w-1", metadata={"skill": "verify"})
        ParseDict({"parts": [{"data": {"claim": "x"}}]}, made.message)
        task = await one(client, made)
        assert task.status.state == TaskState.TASK_STATE_COMPLETED
        assert MessageToDict(task)["artifacts"][0]["parts"][0]["data"] == {"holds": True}

    run(story())


@pytest.mark.parametrize("binding", BINDINGS)
def test_an_answer_streams(team, binding):
    async def story():
        client = await client_of(team, binding)
        events = [event async for event in client.send_message(request("s-1", "hello"))]
        assert events[0].HasField("task")
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
        whole = events[-2].artifact_update
        assert whole.last_chunk and not whole.append
        assert [part.text for part in whole.artifact.parts] == ["hello yourself"]
        with pytest.raises(UnsupportedOperationError):
            async for _ in client.subscribe(SubscribeToTaskRequest(id=events[0].task.id)):
                pass

    run(story())


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_task_is_cancelled(team, binding):
    async def story():
        client = await client_of(team, binding, streaming=False)
        task = await one(client, request("c-1", "wait for it", at_once=True))
        await until(client, task.id, TaskState.TASK_STATE_WORKING)
        cancelled = await client.cancel_task(CancelTaskRequest(id=task.id))
        assert cancelled.status.state == TaskState.TASK_STATE_CANCELED
        with pytest.raises(TaskNotCancelableError):
            await client.cancel_task(CancelTaskRequest(id=task.id))

    run(story())


@pytest.mark.parametrize("binding", BINDINGS)
def test_what_is_asked_is_answered(team, binding):
    async def story():
        client = await client_of(team, binding, streaming=False)
        task = await one(client, request("q-1", "which colour is it"))
        assert task.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        assert task.status.message.parts[0].text == "Which colour?"
        await one(client, request("q-2", "red", task_id=task.id))
        done = await until(client, task.id, TaskState.TASK_STATE_COMPLETED)
        assert text_of(done) == "it is red"

    run(story())


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_broker_that_is_killed_never_leaves_a_client_hanging(team, binding):
    async def story():
        client = await client_of(team, binding)
        stream = client.send_message(request("k-1", "wait for it"))
        task = (await anext(stream)).task
        await until(client, task.id, TaskState.TASK_STATE_WORKING)
        waiting = asyncio.ensure_future(rest_of(stream))
        await asyncio.to_thread(team.kill)
        with pytest.raises(A2AClientError):
            await waiting
        await asyncio.to_thread(team.start)
        stream = client.subscribe(SubscribeToTaskRequest(id=task.id))
        assert (await anext(stream)).task.id == task.id
        team.go()
        events = await rest_of(stream)
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
        assert text_of(await client.get_task(GetTaskRequest(id=task.id))) == "late"

    run(story())


async def rest_of(stream):
    return [event async for event in stream]


def test_whoever_has_no_credential_or_another_version_is_refused(team):
    async def story():
        async with httpx.AsyncClient() as http:
            made = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}
            stranger = await http.post(f"{team.url}/a2a/wren", json=made, headers={"A2A-Version": "1.0"})
            assert stranger.status_code == 401
            old = await http.post(f"{team.url}/a2a/wren", json=made, headers=team.headers)
            assert old.json()["error"]["code"] == -32009

    run(story())
