/** An error: what happened, what is safe, what to do. */
import type { ComponentChildren } from "preact";
import { Refusal, Unreachable } from "../link/refusal";
import { Button } from "./button";
import { duration } from "./format";
import { Mark } from "./mark";

interface Props {
  error: Error;
  /** What was tried: "The threads could not be read". */
  what: string;
  /** What is safe. Reading changes nothing, which is what it says by itself. */
  safe?: string;
  retry?: (() => void) | undefined;
  children?: ComponentChildren;
}

export function Fault({ error, what, safe = "Nothing was changed.", retry, children }: Props) {
  return (
    <div class="fault" role="alert">
      <p class="fault-title">
        <Mark tone="failed" word="failed" bare /> {what}: {sentence(error.message)}
      </p>
      <p class="fault-safe">
        {safe} {advice(error)}
      </p>
      {children}
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** What to do about it, as far as the kind of error tells. */
export function advice(error: Error): string {
  if (error instanceof Unreachable) return "It is tried again by itself once the broker is back.";
  if (!(error instanceof Refusal)) return "";
  if (error.retryAfter !== undefined) return `Try again in ${duration(Math.ceil(error.retryAfter))}.`;
  if (error.code === "forbidden") return "An admin can give you the role for it, under Settings.";
  return error.retryable ? "Try again in a moment." : "";
}
