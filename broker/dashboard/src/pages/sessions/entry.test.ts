import { describe, expect, it } from "vitest";
import { parsed, read } from "./entry";

describe("an entry", () => {
  it("of a user says whose message it was", () => {
    const entry = {
      id: "e2",
      parentId: "e1",
      kind: "turn.user",
      ts: "2026-01-02T03:04:05.678Z",
      payload: {
        content: [{ type: "text", text: "hi" }],
        item: { id: "i", kind: "message", from: "operator/ana" },
      },
    };
    expect(read(entry)).toEqual({
      id: "e2",
      parent: "e1",
      kind: "turn.user",
      at: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
      voice: "operator/ana",
      parts: [{ type: "text", text: "hi" }],
      facts: [],
    });
  });

  it("of a model has its calls and what it cost", () => {
    const usage = { input_tokens: 40, output_tokens: 12, cache_read_tokens: 2, cache_write_tokens: 0 };
    const content = [
      { type: "thinking", text: "hm" },
      { type: "tool_use", id: "c", name: "read_file", input: { path: "a" } },
    ];
    const payload = { content, stop: "tool_use", usage, model: "m", provider: "p", cost_microusd: 1500 };
    const { parts, facts, voice } = read({ id: "e", kind: "turn.assistant", payload });
    expect(voice).toBe("assistant");
    expect(parts).toEqual([
      { type: "thinking", text: "hm" },
      { type: "call", name: "read_file", input: { path: "a" } },
    ]);
    expect(facts).toEqual([
      ["model", "p/m"],
      ["tokens", "42 in, 12 out"],
      ["cost", "$0.0015"],
      ["stop", "tool_use"],
    ]);
  });

  it("of a tool shows the diff it brought", () => {
    const content = JSON.stringify({ path: "work/a", diff: "@@ -1 +1 @@\n-a\n+b\n" });
    const payload = { content: [{ type: "tool_result", tool_use_id: "c", content }] };
    const [part] = read({ id: "e", kind: "turn.tool_result", payload }).parts;
    expect(part).toMatchObject({ type: "result", failed: false, diff: "@@ -1 +1 @@\n-a\n+b\n" });
  });

  it("that is not as the format says is shown as it stands", () => {
    expect(read({ kind: "turn.user", payload: { content: "no list" } }).parts).toEqual([
      { type: "raw", value: { content: "no list" } },
    ]);
    expect(read({}).parts).toEqual([{ type: "raw", value: {} }]);
    expect(read({ kind: "custom.mood", payload: { glad: true } }).voice).toBe("mood");
  });
});

describe("JSON in a text", () => {
  it("is a list or an object, or nothing", () => {
    expect([parsed("[1]"), parsed(' {"a":1}'), parsed("12"), parsed("{no")]).toEqual([
      [1],
      { a: 1 },
      undefined,
      undefined,
    ]);
  });
});
