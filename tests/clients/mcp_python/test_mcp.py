"""The official Python SDK of the Model Context Protocol against /mcp, in both generations of the protocol."""

import asyncio
import contextlib

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

# Longer than anything here takes; who waits so long hangs.
PATIENCE_S = 30
GENERATIONS = {"legacy": "2025-11-25", "auto": "2026-07-28"}


@pytest.fixture(params=GENERATIONS)
def mode(request):
    return request.param


@contextlib.asynccontextmanager
async def connected(nexus, mode, token=None, **options):
    headers = {"Authorization": f"Bearer {token or nexus.token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http:
        transport = streamable_http_client(f"{nexus.url}/mcp", http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=PATIENCE_S, **options) as client:
            yield client


def run(story):
    asyncio.run(asyncio.wait_for(story, 2 * PATIENCE_S))


def messages(error):
    """Of an error, and of those it holds."""
    inner = [text for part in getattr(error, "exceptions", ()) for text in messages(part)]
    return [str(error), *inner]


def text(result):
    return "\n".join(block.text for block in result.content)


def test_it_is_introduced_and_reads_and_writes(nexus, robin, mode):
    async def story():
        async with connected(nexus, mode) as client:
            assert client.protocol_version == GENERATIONS[mode]
            assert client.server_info.name == "nexus"
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert {"list_team", "send_chat", "read_chat_thread", "hand_robin_add_up"} <= set(tools)
            assert tools["hand_robin_add_up"].input_schema["required"] == ["a", "b"]
            team = await client.call_tool("list_team", {})
            assert not team.is_error and "robin" in text(team)
            sent = await client.call_tool("send_chat", {"to": ["robin"], "content": "hello, robin"})
            assert not sent.is_error, text(sent)
            thread = sent.structured_content["thread"]
            read = await client.call_tool("read_chat_thread", {"thread": thread})
            assert "hello, robin" in text(read)
            wrong = await client.call_tool("send_chat", {"to": ["robin"]})
            assert wrong.is_error and "content" in text(wrong)

    run(story())
    assert robin.next_item()["body"]["content"] == "hello, robin"


def test_a_hand_is_a_tool_with_progress(nexus, robin, mode):
    seen = []

    async def progress(_done, _total, message):
        seen.append(message)

    async def story():
        async with connected(nexus, mode) as client:
            await client.list_tools()
            call = asyncio.create_task(client.call_tool("hand_robin_add_up", {"a": 1, "b": 2}, progress_callback=progress))
            item = (await asyncio.to_thread(robin.next_item))["body"]
            assert (item["type"], item["input"]) == ("assignment", {"a": 1, "b": 2})
            lease = item["lease"]
            said = {"lease": lease, "note": "half of it"}
            await asyncio.to_thread(robin.link.request, "dispatch.progress", said)
            # What comes after the result may be left out.
            async with asyncio.timeout(30):
                while not seen:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(robin.link.request, "dispatch.result", {"lease": lease, "output": {"sum": 3}})
            result = await call
            assert not result.is_error, text(result)
            assert '"sum":3' in text(result).replace(" ", "")

    run(story())


def test_who_gives_up_ends_the_work(nexus, robin, mode):
    async def story():
        async with connected(nexus, mode) as client:
            await client.list_tools()
            call = asyncio.create_task(client.call_tool("hand_robin_add_up", {"a": 1, "b": 2}))
            lease = (await asyncio.to_thread(robin.next_item))["body"]["lease"]
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            cancelled = (await asyncio.to_thread(robin.next_item))["body"]
            assert (cancelled["type"], cancelled["lease"]) == ("cancel", lease)

    run(story())


def test_a_wrong_token_is_refused(nexus, mode):
    async def story():
        async with connected(nexus, mode, token="nxo_guessed") as client:
            await client.list_tools()

    with pytest.raises(BaseException) as refused:
        run(story())
    # The SDK tells no more of it than that.
    assert "Server returned an error response" in messages(refused.value)
    answer = httpx2.post(f"{nexus.url}/mcp", headers={"Authorization": "Bearer nxo_guessed"}, json={})
    assert answer.status_code == 401
    metadata = answer.headers["www-authenticate"].split('resource_metadata="')[1].rstrip('"')
    assert httpx2.get(metadata).json()["resource"] == f"{nexus.url}/mcp"


def test_a_broker_that_is_killed_ends_a_call(nexus, robin, mode):
    async def killed():
        async with connected(nexus, mode) as client:
            await client.list_tools()
            call = asyncio.create_task(client.call_tool("hand_robin_add_up", {"a": 1, "b": 2}))
            await asyncio.to_thread(robin.next_item)
            nexus.kill()
            await call

    async def again():
        async with connected(nexus, mode) as client:
            assert (await client.list_tools()).tools

    # The SDK fails the call, or all of the connection; it would fail with a TimeoutError if it hung.
    with pytest.raises(Exception) as failed:
        run(killed())
    assert not any("imed out" in text for text in messages(failed.value)), messages(failed.value)
    assert not isinstance(failed.value, TimeoutError)
    nexus.start()
    run(again())


def test_a_session_of_the_broker_before_is_not_known(nexus):
    async def story():
        async with connected(nexus, "legacy") as client:
            await client.list_tools()
            nexus.kill()
            await asyncio.to_thread(nexus.start)
            with pytest.raises(MCPError) as ended:
                await client.list_tools()
            assert "ession" in str(ended.value)
        async with connected(nexus, "legacy") as client:
            assert (await client.list_tools()).tools

    run(story())


def test_a_list_that_changes_is_told(nexus, robin):
    """Over the stream that a session of the older generation listens on."""
    changed = asyncio.Event()

    async def heard(message):
        if type(message).__name__ == "ToolListChangedNotification" or "tools/list_changed" in repr(message):
            changed.set()

    async def story():
        async with connected(nexus, "legacy", message_handler=heard) as client:
            assert "hand_robin_add_up" in {tool.name for tool in (await client.list_tools()).tools}
            await asyncio.to_thread(robin.link.close)
            await asyncio.wait_for(changed.wait(), PATIENCE_S)

    run(story())
