"""OpenAI's official client against aspects: what it reads, raises and leaves behind."""

import time

import openai
import pytest


def user(text):
    return {"role": "user", "content": text}


def ask(client, *messages, **more):
    return client.chat.completions.create(model="wren", messages=list(messages), **more)


def wait_until(look):
    """Polls, because a turn's end is seen only by looking."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in 30 s")


def begun(stream):
    """Reads a stream until text comes; the thread it is in."""
    thread = stream.response.headers["x-nexus-thread"]
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            return thread
    raise AssertionError("the stream ended before it said anything")


def test_aspects_are_models(nexus):
    client = nexus.client()
    assert [model.id for model in client.models.list()] == ["wren"]
    model = client.models.retrieve("wren")
    assert (model.object, model.owned_by, model.created > 0) == ("model", "nexus", True)


def test_a_conversation_is_one_thread(nexus):
    client = nexus.client()
    first = ask(client, user("first question"))
    assert first.choices[0].message.content == "first answer"
    assert first.choices[0].finish_reason == "stop"
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
    history = [user("first question"), first.choices[0].message]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(ask(client, *history, user("second question"), **options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "second answer, after 2"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.usage.total_tokens > 0 for chunk in chunks if chunk.usage] == [True]
    assert nexus.said(first.nexus["thread"]) == [
        ("operator/admin", "first question"),
        ("wren", "first answer"),
        ("operator/admin", "second question"),
        ("wren", "second answer, after 2"),
    ]


def test_the_stream_helper_gathers_the_same(nexus):
    with nexus.client().chat.completions.stream(model="wren", messages=[user("first question")]) as stream:
        assert stream.get_final_completion().choices[0].message.content == "first answer"


def test_functions_are_called_by_the_client(nexus):
    client = nexus.client()
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    first = ask(client, user("the weather?"), tools=tools)
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"in":"Oslo"}')
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    second = ask(client, user("the weather?"), first.choices[0].message, result, tools=tools)
    assert second.choices[0].message.content == "So it rains."
    assert second.nexus["thread"] == first.nexus["thread"]


def test_responses(nexus):
    client = nexus.client()
    first = client.responses.create(model="wren", input="first question")
    assert (first.output_text, first.status) == ("first answer", "completed")
    with client.responses.stream(
        model="wren", input="second question", previous_response_id=first.id
    ) as stream:
        second = stream.get_final_response()
    assert second.output_text == "second answer, after 2"
    assert second.nexus["thread"] == first.nexus["thread"]


def test_errors_are_the_client_s_exceptions(nexus):
    client = nexus.client()
    with pytest.raises(openai.AuthenticationError) as refused:
        nexus.client(api_key="nxo_wrong").models.list()
    assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="nobody", messages=[user("hello")])
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, user("hello"), n=2)
    assert refused.value.param == "n"
    with pytest.raises(openai.InternalServerError) as failed:
        ask(client, user("fail"))
    assert failed.value.code == "aspect_failed"
    with pytest.raises(openai.APIError) as failed:
        list(ask(client, user("fail"), stream=True))
    assert failed.value.code == "aspect_failed"
    with pytest.raises(openai.APIStatusError) as refused:
        client.embeddings.create(model="wren", input="hello")
    assert refused.value.status_code == 501


def test_whoever_goes_leaves_no_turn_behind(nexus):
    stream = ask(nexus.client(), user("slowly"), stream=True)
    thread = begun(stream)
    stream.close()
    said = wait_until(lambda: nexus.said(thread)[1:])
    assert said == [("wren", "I could not answer this: cancelled by operator/admin: whoever asked has gone")]


def test_a_broker_that_is_killed_never_leaves_a_client_hanging(nexus):
    stream = ask(nexus.client(), user("slowly"), stream=True, extra_headers={"Idempotency-Key": "once"})
    thread = begun(stream)
    nexus.stack.broker.kill()
    with pytest.raises(Exception):  # noqa: B017, PT011 - the transport's own, which differs by its version
        list(stream)
    nexus.let_go()
    nexus.stack.start_broker()
    answer = ask(nexus.client(max_retries=5), user("slowly"), extra_headers={"Idempotency-Key": "once"})
    assert answer.choices[0].message.content == "and ends"
    assert nexus.said(thread) == [("operator/admin", "slowly"), ("wren", "and ends")]
