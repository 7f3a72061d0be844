/** What runs and their steps are, in words. */
import { duration } from "../../ui/format";
import type { Tone } from "../../ui/mark";
import type { FlowStep, RunInfo, RunState, RunStep, StepState } from "../../wire/frames";

export const toneOfRun: Record<RunState, Tone> = {
  waiting: "offline",
  running: "busy",
  done: "online",
  failed: "failed",
  cancelled: "failed",
};

export const toneOfStep: Record<StepState, Tone> = {
  pending: "offline",
  running: "busy",
  done: "online",
  failed: "failed",
  skipped: "offline",
  unreached: "offline",
  cancelled: "failed",
};

export const hasEnded = (state: RunState): boolean => state !== "waiting" && state !== "running";

/** What a step does: the kind, and whom or what it is about. */
export function does({ do: act }: FlowStep): { kind: string; what: string } {
  if ("approve" in act) return { kind: "asks people", what: act.approve.text };
  if ("ask" in act) return { kind: `asks ${act.ask.aspect}`, what: act.ask.text };
  if ("dispatch" in act) {
    const { hand, capability } = act.dispatch;
    return { kind: hand ?? `whoever can ${capability?.needs?.join(", ") ?? "do it"}`, what: "" };
  }
  if ("flow" in act) return { kind: `runs ${act.flow.id}`, what: "" };
  if ("write" in act) {
    const { registry, row } = act.write;
    return { kind: `writes to ${registry}`, what: row ?? "" };
  }
  const { event, seconds, until } = act.wait;
  if (event) return { kind: `waits for ${event.kinds.join(" or ")}`, what: "" };
  return {
    kind: seconds === undefined ? `waits until ${until ?? "then"}` : `waits ${duration(seconds)}`,
    what: "",
  };
}

/** `2 of 5`: steps that have ended. */
export function progress({ steps }: RunInfo): string {
  const ended = steps.filter(({ state }) => state !== "pending" && state !== "running").length;
  return `${ended} of ${steps.length}`;
}

export function took({ began_at, ended_at }: RunInfo | RunStep, now: number): string {
  return began_at === undefined ? "–" : duration(((ended_at ?? now) - began_at) / 1_000);
}
