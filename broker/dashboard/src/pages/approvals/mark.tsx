/** The state of an approval. */
import { Mark, type Tone } from "../../ui/mark";
import type { ApprovalState } from "../../wire/frames";
import { WORDS } from "./asked";

const TONES: Record<ApprovalState, Tone> = {
  open: "deaf",
  approved: "online",
  denied: "failed",
  answered: "online",
  expired: "offline",
  withdrawn: "offline",
};

export function ApprovalMark({ state }: { state: ApprovalState }) {
  return <Mark tone={TONES[state]} word={state === "open" ? "waits for you" : WORDS[state]} />;
}
