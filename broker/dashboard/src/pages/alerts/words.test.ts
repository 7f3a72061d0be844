import { describe, expect, it } from "vitest";
import type { Alert, AlertKind } from "../../wire/frames";
import { byNeed, ends, lookAt, nameOf, severityOf } from "./words";

const alert = (kind: string, more: Partial<Alert> = {}): Alert => ({
  key: `${kind}/it`,
  kind: kind as AlertKind,
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
      alert("storage", { acked_at: 9 }),
      alert("push_given_up", { raised_at: 9 }),
      alert("aspect_deaf", { raised_at: 1 }),
      alert("aspect_missing", { raised_at: 2 }),
      alert("trigger_paused"),
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

  it("of a kind that is not known here are warnings", () => {
    const later = alert("moon_full");
    expect(severityOf(later)).toBe("warning");
    expect(lookAt(later)).toBeUndefined();
    expect(ends(later)).toBe("");
  });
});
