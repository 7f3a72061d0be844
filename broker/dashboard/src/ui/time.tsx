/** A time: relative, the exact one on hover. */
import { exact, relative } from "./format";
import { now } from "./now";

export function Time({ at }: { at: number }) {
  return (
    <time class="time" dateTime={new Date(at).toISOString()} title={exact(at)}>
      {relative(at, now.value)}
    </time>
  );
}
