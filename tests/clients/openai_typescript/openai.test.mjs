// OpenAI's official client for TypeScript against aspects: what it reads, raises and leaves behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const { NEXUS_URL: url, NEXUS_TOKEN: apiKey, NEXUS_PID: pid } = process.env;
const client = new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0, timeout: 30_000 });
const user = (content) => ({ role: "user", content });
const ask = (messages, more) => client.chat.completions.create({ model: "wren", messages, ...more });

async function said(thread) {
  const answer = await fetch(`${url}/api/v1/threads/${thread}/messages`, { headers: { authorization: `Bearer ${apiKey}` } });
  return (await answer.json()).messages.map((message) => [message.from, message.content]);
}

async function until(look) {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not happen in 30 s");
}


test("aspects are models", async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  assert.deepEqual(models, ["wren"]);
});

test("a conversation is one thread", async () => {
  const first = await ask([user("first question")]);
  assert.equal(first.choices[0].message.content, "first answer");
  const history = [user("first question"), first.choices[0].message, user("second question")];
  let text = "";
  let usage;
  for await (const chunk of await ask(history, { stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage ??= chunk.usage;
  }
  assert.equal(text, "second answer, after 2");
  assert.ok(usage.total_tokens > 0);
  assert.deepEqual(
    (await said(first.nexus.thread)).map((it) => it[1]),
    ["first question", "first answer", "second question", "second answer, after 2"],
  );
});

test("functions are called by the client", async () => {
  const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
  const first = await ask([user("the weather?")], { tools });
  const [call] = first.choices[0].message.tool_calls;
  assert.deepEqual(call.function, { name: "weather", arguments: '{"in":"Oslo"}' });
  const result = { role: "tool", tool_call_id: call.id, content: "rain" };
  const second = await ask([user("the weather?"), first.choices[0].message, result], { tools });
  assert.equal(second.choices[0].message.content, "So it rains.");
});

test("responses", async () => {
  const first = await client.responses.create({ model: "wren", input: "first question" });
  assert.equal(first.output_text, "first answer");
  const stream = client.responses.stream({ model: "wren", input: "second question", previous_response_id: first.id });
  const second = await stream.finalResponse();
  assert.equal(second.output[0].content[0].text, "second answer, after 2");
});

test("errors are the client's exceptions", async () => {
  const stranger = new OpenAI({ apiKey: "nxo_wrong", baseURL: `${url}/v1`, maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(client.models.retrieve("nobody"), OpenAI.NotFoundError);
  await assert.rejects(ask([user("hello")], { n: 2 }), (error) => error instanceof OpenAI.BadRequestError && error.param === "n");
  await assert.rejects(ask([user("fail")]), (error) => error.code === "aspect_failed");
  const failing = await ask([user("fail")], { stream: true });
  await assert.rejects(async () => {
    for await (const _ of failing);
  }, OpenAI.APIError);
});

test("whoever aborts leaves no turn behind", async () => {
  const stream = await ask([user("slowly")], { stream: true });
  const reader = stream[Symbol.asyncIterator]();
  let thread;
  for (let chunk; !chunk?.choices[0]?.delta.content; chunk = (await reader.next()).value) thread ??= chunk?.nexus?.thread;
  stream.controller.abort();
  const [last] = await until(async () => {
    const rest = (await said(thread)).slice(1);
    return rest.length > 0 && rest;
  });
  assert.equal(last[1], "I could not answer this: cancelled by operator/admin: whoever asked has gone");
});

test("texts become vectors", async () => {
  const made = await client.embeddings.create({ model: "small", input: ["a", "three"] });
  assert.deepEqual(made.data.map((it) => it.embedding), [[1, 0.5, -1], [5, 0.5, -1]]);
  assert.equal(made.usage.total_tokens, 2);
  await assert.rejects(client.embeddings.create({ model: "wren", input: "a" }), OpenAI.NotFoundError);
});

// The last one: nobody starts the broker again.
test("a broker that is killed never leaves a client hanging", async () => {
  const stream = await ask([user("slowly")], { stream: true });
  const rest = (async () => {
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) process.kill(Number(pid), "SIGKILL");
  })();
  await assert.rejects(rest);
});
