/** One turn of an aspect as it streams, put together from its frames. */
import type { Decision, Observed, TurnEvent } from "../wire/frames";

export type Part =
  | { type: "text"; text: string }
  | { type: "thinking"; text: string }
  | {
      type: "tool";
      call: string;
      name: string;
      input: unknown;
      result?: { failed: boolean; preview: string };
    }
  /** The frames between are missing. */
  | { type: "missing" };

export interface LiveTurn {
  turn: string;
  aspect: string;
  thread?: string | undefined;
  dispatch?: string | undefined;
  /** The message that began it. */
  message?: string | undefined;
  parts: readonly Part[];
  /** The number of the next event. */
  next: number;
  ended?: { decision: Decision; at: number };
}

/** So that a turn that never ends does not grow for ever. The end of it is what is looked at. */
const PARTS_MAX = 400;
const TEXT_MAX = 64 * 1024;

/** The turn after one more frame; `now` is when it came. */
export function advance(known: LiveTurn | undefined, frame: Observed, now: number): LiveTurn | undefined {
  const { turn, aspect, thread, dispatch, what } = frame;
  // Who comes in the middle of a turn has missed what was before.
  const late = what.type === "event" && what.n > 0;
  const old: LiveTurn = known ?? {
    turn,
    aspect,
    thread,
    dispatch,
    parts: late ? [{ type: "missing" }] : [],
    next: what.type === "event" ? what.n : 0,
  };
  switch (what.type) {
    case "begin":
      return { ...old, message: what.message ?? old.message };
    case "event": {
      // What is seen a second time, after the link was down, is not new.
      if (what.n < old.next) return old;
      const parts = what.n > old.next ? [...old.parts, { type: "missing" } as const] : old.parts;
      return { ...old, parts: apply(parts, what.event).slice(-PARTS_MAX), next: what.n + 1 };
    }
    case "end":
      return { ...old, ended: { decision: what.decision, at: now } };
    case "progress":
      return known;
  }
}

function apply(parts: readonly Part[], event: TurnEvent): readonly Part[] {
  const last = parts.at(-1);
  switch (event.type) {
    case "text":
    case "thinking":
      if (last?.type === event.type) {
        const text = (last.text + event.text).slice(-TEXT_MAX);
        return [...parts.slice(0, -1), { type: event.type, text }];
      }
      return [...parts, { type: event.type, text: event.text }];
    case "restarted": {
      const kept = parts.findLastIndex((part) => part.type === "tool" && part.result !== undefined);
      return parts.slice(0, kept + 1);
    }
    case "tool_call":
      return [...parts, { type: "tool", call: event.call, name: event.name, input: event.input }];
    case "tool_result": {
      const result = { failed: event.is_error, preview: event.preview };
      const at = parts.findLastIndex((part) => part.type === "tool" && part.call === event.call);
      const called = parts[at];
      if (called?.type !== "tool") {
        return [...parts, { type: "tool", call: event.call, name: event.name, input: undefined, result }];
      }
      return parts.with(at, { ...called, result });
    }
  }
}
