"""Vectors by OpenAI's official client, from the server that the broker is told of."""

import openai
import pytest
from conftest import Nexus
from embedder import KEY, SETTINGS, Embedder, vector


@pytest.fixture
def embedder():
    running = Embedder()
    yield running
    running.stop()


@pytest.fixture
def nexus(tmp_path, embedder, monkeypatch):
    monkeypatch.setenv("EMBEDDER_KEY", KEY)
    running = Nexus(tmp_path, SETTINGS.format(url=embedder.url))
    yield running
    running.stack.stop()


def test_texts_become_vectors(nexus, embedder):
    client = nexus.client()
    # The client asks for base64 and reads it itself, unless it is told otherwise.
    made = client.embeddings.create(model="small", input=["a", "three"])
    assert [(it.index, it.embedding) for it in made.data] == [(0, vector("a")), (1, vector("three"))]
    assert (made.model, made.usage.total_tokens) == ("small", 2)
    made = client.embeddings.create(model="small", input="a", encoding_format="float")
    assert [it.embedding for it in made.data] == [vector("a")]
    asked = {"model": "small", "input": "a", "encoding_format": "float"}
    assert embedder.asked[-1] == ("/v1/embeddings", f"Bearer {KEY}", asked)
    metrics = client.get(nexus.stack.url + "/metrics", cast_to=str)
    assert 'nexus_tokens_total{kind="embedding"} 3' in metrics


def test_what_goes_wrong_is_raised_as_what_it_is(nexus, embedder):
    client = nexus.client()
    with pytest.raises(openai.NotFoundError) as refused:
        client.embeddings.create(model="wren", input="a")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="small", input=[])
    assert refused.value.param == "input"
    assert embedder.asked == []
    for status, error, code in [
        (400, openai.BadRequestError, "invalid_value"),
        (401, openai.InternalServerError, "embedder_failed"),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, "embedder_unavailable"),
    ]:
        embedder.status = status
        with pytest.raises(error) as failed:
            client.embeddings.create(model="small", input="a")
        assert failed.value.code == code and KEY not in str(failed.value)
    embedder.stop()
    embedder.server.server_close()
    with pytest.raises(openai.InternalServerError) as failed:
        client.embeddings.create(model="small", input="a")
    assert failed.value.code == "embedder_unavailable"
