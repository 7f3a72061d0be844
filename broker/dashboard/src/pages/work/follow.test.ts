import { describe, expect, it } from "vitest";
import type { DispatchInfo, LogBody } from "../../wire/frames";
import { changed } from "./follow";

const info: DispatchInfo = {
  id: "d",
  root: "d",
  hand: "wren/check",
  invoker: "operator/ana",
  key: "operator/ana",
  depth: 1,
  state: "pending",
  attempt: 0,
  accepted_at: 100,
  deadline_at: 9000,
  waiting_for: "turn",
};

const after = (body: LogBody, from = info) => changed(from, { seq: 7, at: 500, actor: "system", body });

describe("the log changes a dispatch", () => {
  it("when it is given to a worker: it waits for nothing any more", () => {
    const rest = { ...info };
    delete rest.waiting_for;
    const assigned: LogBody = { type: "dispatch_assigned", dispatch: "d", attempt: 2, aspect: "wren" };
    expect(after(assigned)).toEqual({ ...rest, state: "running", attempt: 2, assigned_at: 500 });
  });

  it("when it ends: how, when, and what it took", () => {
    const body: LogBody = {
      type: "dispatch_ended",
      dispatch: "d",
      hand: "wren/check",
      state: "failed",
      attempts: 1,
      error: { code: "boom", message: "it broke" },
      spent: { tokens: 3, cost_microusd: 0 },
    };
    expect(after(body)).toMatchObject({
      state: "failed",
      attempt: 1,
      ended_at: 500,
      error: { code: "boom", message: "it broke" },
      spent: { tokens: 3, cost_microusd: 0 },
    });
  });

  it("when its worker yields and goes on, unless it has ended meanwhile", () => {
    const other = (kind: string): LogBody => ({ type: "other", kind, subject: "d" });
    expect(after(other("dispatch.waiting"))).toEqual({ ...info, state: "waiting" });
    expect(after(other("dispatch.resumed"))).toEqual({ ...info, state: "running" });
    expect(after(other("dispatch.resumed"), { ...info, state: "done", ended_at: 400 })).toBeUndefined();
  });

  it("in ways only the broker can tell", () => {
    const other = (kind: string): LogBody => ({ type: "other", kind, subject: "d" });
    for (const kind of ["dispatch.moved", "dispatch.retried", "dispatch.work_stopped"]) {
      expect([kind, after(other(kind))]).toEqual([kind, "unknown"]);
    }
    expect(after(other("dispatch.output_refused"))).toBeUndefined();
  });
});
