/** The turns that stream now, and the last few that ended. */
import { signal } from "@preact/signals";
import { link } from "../link/link";
import type { Observed } from "../wire/frames";
import { advance, type LiveTurn } from "./turn";

/** By their id, in the order in which they were first seen. */
export const turns = signal<ReadonlyMap<string, LiveTurn>>(new Map());

const KEPT_MAX = 60;
/** Frames come faster than anybody reads; they are shown together. */
const TOGETHER_MS = 50;

let waiting: Observed[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

function show(): void {
  timer = undefined;
  const next = new Map(turns.value);
  for (const frame of waiting) {
    const turn = advance(next.get(frame.turn), frame, Date.now());
    if (turn) next.set(frame.turn, turn);
  }
  waiting = [];
  const ended = [...next.values()].filter((turn) => turn.ended);
  for (const turn of ended.slice(0, Math.max(0, next.size - KEPT_MAX))) next.delete(turn.turn);
  turns.value = next;
}

link.on("observe", (frame) => {
  waiting.push(frame);
  timer ??= setTimeout(show, TOGETHER_MS);
});
