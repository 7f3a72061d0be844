import { describe, expect, it } from "vitest";
import type { Alert, AlertKind } from "../../wire/frames";
import { byNeed, ends, lookAt, nameOf } from "./words";

const alert = (kind: string, more: Partial<Alert> = {}): Alert => ({
  key: `${kind}/it`,
  kind: kind as AlertKind,
  severity: "warning",
  nature: "condition",
  subject: "it",
  message: "",
  raised_at: 0,
  seq: 1,
  times: 1,
  ...more,
});

describe("alerts", () => {
  it("stand by how much they need somebody", () => {
    const all = [
      alert("storage", { severity: "urgent", acked_at: 9 }),
      alert("push_given_up", { severity: "note", raised_at: 9 }),
      alert("aspect_deaf", { raised_at: 1 }),
      alert("aspect_missing", { raised_at: 2 }),
      alert("trigger_paused", { severity: "urgent" }),
    ];
    expect(all.sort(byNeed).map(nameOf)).toEqual([
      "trigger paused",
      "aspect missing",
      "aspect deaf",
      "push given up",
      "storage",
    ]);
  });

  it("lead to what they are about", () => {
    expect(lookAt(alert("session_stuck", { subject: "wren/0a" }))?.href).toBe("/sessions/wren/0a");
    expect(lookAt(alert("aspect_missing", { subject: "wren" }))?.href).toBe("/team/wren");
    expect(lookAt(alert("push_given_up"))).toBeUndefined();
  });

  it("of a kind that is not known here are shown all the same", () => {
    expect(lookAt(alert("moon_full"))).toBeUndefined();
  });

  it("say what ends them", () => {
    expect(ends(alert("moon_full"))).toBe("It goes by itself when what is wrong is over.");
    expect(ends(alert("worker_lost", { nature: "event" }))).toBe(
      "It is over once somebody has acknowledged it.",
    );
  });
});
