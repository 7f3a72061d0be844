// Two official SDKs: the first generation's, which opens sessions, and its successor, which asks without one.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import * as next from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { NEXUS_URL, NEXUS_TOKEN, NEXUS_DATA, GO } = process.env;
const ENDPOINT = new URL("/mcp", NEXUS_URL);
const ABOUT = { name: "test", version: "1" };
// Longer than anything here takes; who waits so long hangs.
const PATIENCE_MS = 20_000;

const SDKS = {
  "sdk 1, 2025-11-25": {
    client: () => new Client(ABOUT),
    transport: (headers) => new StreamableHTTPClientTransport(ENDPOINT, { requestInit: { headers } }),
    call: (client, name, args, options) =>
      client.callTool({ name, arguments: args }, undefined, { timeout: PATIENCE_MS, ...options }),
    hasSessions: true,
  },
  "client 2, 2026-07-28": {
    client: () => new next.Client(ABOUT, { versionNegotiation: { mode: "auto" } }),
    transport: (headers) => new next.StreamableHTTPClientTransport(ENDPOINT, { requestInit: { headers } }),
    call: (client, name, args, options) =>
      client.callTool({ name, arguments: args }, { timeout: PATIENCE_MS, ...options }),
    hasSessions: false,
  },
};

async function connected(sdk, story, token = NEXUS_TOKEN) {
  const client = sdk.client();
  const transport = sdk.transport({ authorization: `Bearer ${token}` });
  await client.connect(transport);
  try {
    return await story(client, transport);
  } finally {
    await client.close().catch(() => {});
  }
}

const text = (result) => result.content.map((block) => block.text).join("\n");

async function until(what, look) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function rest(path) {
  const answer = await fetch(new URL(path, NEXUS_URL), { headers: { authorization: `Bearer ${NEXUS_TOKEN}` } });
  assert.equal(answer.status, 200);
  return answer.json();
}

const pending = async () =>
  (await rest("/api/v1/dispatches")).dispatches.filter(({ state }) => ["pending", "assigned", "running"].includes(state));

for (const [name, sdk] of Object.entries(SDKS)) {
  test(`${name}: it is introduced, reads and writes`, () =>
    connected(sdk, async (client, transport) => {
      assert.equal(client.getServerVersion().name, "nexus");
      assert.equal(Boolean(transport.sessionId), sdk.hasSessions);
      const { tools } = await client.listTools();
      const names = tools.map((tool) => tool.name);
      for (const wanted of ["list_team", "send_chat", "hand_robin_add_up"]) assert.ok(names.includes(wanted), wanted);
      assert.match(text(await sdk.call(client, "list_team", {})), /robin/);
      const sent = await sdk.call(client, "send_chat", { to: ["robin"], content: `hello from ${name}` });
      assert.ok(!sent.isError, text(sent));
      const thread = sent.structuredContent.thread;
      assert.match(text(await sdk.call(client, "read_chat_thread", { thread })), new RegExp(`hello from ${name}`));
      const wrong = await sdk.call(client, "send_chat", { to: ["robin"] });
      assert.ok(wrong.isError);
    }));

  test(`${name}: a Hand is a tool with progress`, () =>
    connected(sdk, async (client) => {
      await client.listTools();
      const seen = [];
      const onprogress = ({ message }) => {
        seen.push(message);
        writeFileSync(GO, "");
      };
      const result = await sdk.call(client, "hand_robin_add_up", { a: 1, b: 2 }, { onprogress });
      assert.ok(!result.isError, text(result));
      assert.match(text(result).replaceAll(" ", ""), /"sum":3/);
      assert.ok(seen.length > 0, "it was told how far it is");
    }));

  test(`${name}: who gives up ends the work`, () =>
    connected(sdk, async (client) => {
      await client.listTools();
      const gaveUp = new AbortController();
      const call = sdk.call(client, "hand_robin_wait", {}, { signal: gaveUp.signal });
      await until("the work is under way", async () => (await pending()).length > 0);
      gaveUp.abort();
      await assert.rejects(call);
      await until("the work is cancelled", async () => (await pending()).length === 0);
    }));

  test(`${name}: a wrong token is refused`, async () => {
    await assert.rejects(connected(sdk, () => {}, "nxo_guessed"), (error) => /401|nauthorized/.test(String(error)));
  });

  test(`${name}: a broker that is killed ends a call, and is found again`, async () => {
    await connected(sdk, async (client) => {
      await client.listTools();
      const call = sdk.call(client, "hand_robin_wait", {});
      const failed = assert.rejects(call);
      await until("the work is under way", async () => (await pending()).length > 0);
      const { pid } = JSON.parse(readFileSync(`${NEXUS_DATA}/nexus.run`));
      process.kill(pid, "SIGKILL");
      await failed;
      if (sdk.hasSessions) {
        // The session went with the broker that knew it: a clear answer, not silence.
        await until("there is a broker", async () => (await fetch(new URL("/readyz", NEXUS_URL))).ok);
        await assert.rejects(client.listTools(), /404|[Ss]ession/);
      }
    });
    await until("a new one", () => connected(sdk, async (client) => (await client.listTools()).tools.length > 0));
    // What was under way goes on as the protocol says; here nobody wants it any more.
    for (const { id } of await pending()) {
      await fetch(new URL(`/api/v1/dispatches/${id}/cancel`, NEXUS_URL), {
        method: "POST",
        headers: { authorization: `Bearer ${NEXUS_TOKEN}`, "content-type": "application/json" },
        body: "{}",
      });
    }
  });
}
