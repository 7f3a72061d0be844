import { describe, expect, it } from "vitest";
import type { DispatchInfo } from "../../wire/frames";
import { inWords, rowOf, stretches, withRows, type Steps } from "./steps";

const ID = "0199a0b1-c2d3-7123-8456-789abcdef001";

function info(more: Partial<DispatchInfo> = {}): DispatchInfo {
  return {
    id: ID,
    root: ID,
    hand: "wren/check",
    invoker: "operator/ana",
    key: "operator/ana",
    depth: 1,
    state: "running",
    attempt: 1,
    accepted_at: 100,
    deadline_at: 9000,
    ...more,
  };
}

function rows(...kinds: [string, number][]) {
  return kinds.map(([kind, at], seq) => ({
    seq,
    at,
    kind: `dispatch.${kind}`,
    actor: "system",
    subject: ID,
  }));
}

const none: Steps = new Map();

describe("steps", () => {
  it("come together from what is read and what streams, each once and in the order of the log", () => {
    const read = rows(["accepted", 100], ["assigned", 200]);
    const streamed = rowOf({
      seq: 1,
      at: 200,
      actor: "system",
      body: { type: "dispatch_assigned", dispatch: ID, attempt: 1, aspect: "wren" },
    });
    const steps = withRows(withRows(none, streamed ? [streamed] : []), read).get(ID);
    expect(steps?.map((step) => [step.seq, step.kind])).toEqual([
      [0, "accepted"],
      [1, "assigned"],
    ]);
  });

  it("leave out what is about something else", () => {
    const other = { type: "other", kind: "gather.ended", subject: ID } as const;
    expect(rowOf({ seq: 1, at: 1, actor: "system", body: other })).toBeUndefined();
    expect(withRows(none, [{ seq: 1, at: 1, kind: "gather.ended", actor: "system", subject: ID }]).size).toBe(
      0,
    );
  });

  it("have it in line again once it has moved from a lost host", () => {
    const kinds: [string, number][] = [
      ["accepted", 100],
      ["assigned", 200],
      ["work_cancelled", 500],
      ["moved", 500],
      ["assigned", 700],
    ];
    const steps = withRows(none, rows(...kinds)).get(ID) ?? [];
    const drawn = stretches(info({ attempt: 2, assigned_at: 700 }), steps, 900);
    expect(drawn.map(({ phase, from, to, attempt }) => [phase, from, to, attempt])).toEqual([
      ["queued", 100, 200, 0],
      ["working", 200, 500, 1],
      ["queued", 500, 700, 1],
      ["working", 700, 900, 2],
    ]);
    expect(inWords(steps, 3)).toBe("given to another Hand, because its host was lost");
  });

  it("count attempts in words", () => {
    const steps = withRows(none, rows(["accepted", 1], ["assigned", 2], ["assigned", 5])).get(ID) ?? [];
    expect([0, 1, 2].map((at) => inWords(steps, at))).toEqual([
      "accepted",
      "given to its worker",
      "given to its worker, attempt 2",
    ]);
  });
});

describe("stretches", () => {
  it("are queued, working, waiting, working again, up to the end", () => {
    const steps = withRows(
      none,
      rows(["accepted", 100], ["assigned", 200], ["waiting", 300], ["resumed", 700]),
    );
    const ended = info({ state: "done", ended_at: 900 });
    expect(stretches(ended, steps.get(ID) ?? [], 5000)).toEqual([
      { phase: "queued", from: 100, to: 200, attempt: 0 },
      { phase: "working", from: 200, to: 300, attempt: 1 },
      { phase: "waiting", from: 300, to: 700, attempt: 1 },
      { phase: "working", from: 700, to: 900, attempt: 1 },
    ]);
  });

  it("show each attempt", () => {
    const steps = withRows(none, rows(["accepted", 100], ["assigned", 200], ["assigned", 400]));
    expect(stretches(info({ attempt: 2 }), steps.get(ID) ?? [], 600)).toEqual([
      { phase: "queued", from: 100, to: 200, attempt: 0 },
      { phase: "working", from: 200, to: 400, attempt: 1 },
      { phase: "working", from: 400, to: 600, attempt: 2 },
    ]);
  });

  it("do with what a list says when no steps are known", () => {
    expect(stretches(info({ assigned_at: 150, state: "waiting" }), [], 300)).toEqual([
      { phase: "queued", from: 100, to: 150, attempt: 0 },
      { phase: "waiting", from: 150, to: 300, attempt: 1 },
    ]);
    expect(stretches(info({ state: "pending", attempt: 0 }), [], 300)).toEqual([
      { phase: "queued", from: 100, to: 300, attempt: 0 },
    ]);
  });

  it("never run backwards when the clock of the browser is behind", () => {
    expect(stretches(info({ state: "pending", attempt: 0 }), [], 20)).toEqual([]);
  });
});
