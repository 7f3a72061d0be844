/** A state: one shape and one colour each, the same as in nexctl, and its word. */
import type { AspectState, DispatchState } from "../wire/frames";

export type Tone = "online" | "busy" | "stalled" | "deaf" | "offline" | "failed";

const SHAPES: Record<Tone, string> = {
  online: "●",
  busy: "◐",
  stalled: "◌",
  deaf: "▲",
  offline: "○",
  failed: "✕",
};

export const toneOfAspect = (state: AspectState): Tone => state;

export function toneOfDispatch(state: DispatchState): Tone {
  switch (state) {
    case "pending":
      return "offline";
    case "running":
      return "busy";
    case "waiting":
    case "retaking":
      return "stalled";
    case "unreachable":
      return "deaf";
    case "done":
      return "online";
    case "failed":
    case "timed_out":
    case "cancelled":
      return "failed";
  }
}

interface Props {
  tone: Tone;
  /** The state's word. */
  word: string;
  /** Shows the shape alone; the word is still read out and shown on hover. */
  bare?: boolean;
}

export function Mark({ tone, word, bare = false }: Props) {
  return (
    <span class={`mark tone-${tone}`} title={bare ? word : undefined}>
      <span class="mark-shape" aria-hidden="true">
        {SHAPES[tone]}
      </span>
      <span class={bare ? "hidden" : "mark-word"}>{word}</span>
    </span>
  );
}

export function AspectMark({ state, bare = false }: { state: AspectState; bare?: boolean }) {
  return <Mark tone={toneOfAspect(state)} word={state} bare={bare} />;
}

export function DispatchMark({ state, bare = false }: { state: DispatchState; bare?: boolean }) {
  return <Mark tone={toneOfDispatch(state)} word={state.replace("_", " ")} bare={bare} />;
}
