/** Whether the broker is there, and what was missed while it was not. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { link } from "../link/link";
import { Button } from "../ui/button";
import { count, duration } from "../ui/format";
import { Mark } from "../ui/mark";

/** A blink while a link is dialled is not worth a word. */
const PATIENCE_MS = 700;

const missed = signal<string | undefined>(undefined);

link.on("gap", ({ from, to, reason }) => {
  const entries =
    to >= from ? `${count(to - from + 1)} entries of the log (${from}–${to})` : "Entries of the log";
  missed.value = `${entries} cannot be shown: ${reason}. Lists were read anew; what they show is current.`;
});
link.on("observe.gap", ({ aspect, reason }) => {
  missed.value = `Some of what ${aspect} streamed is missing here: ${reason}. The message that ends the turn has all of it.`;
});

export function Banner() {
  return (
    <div class="banners">
      <Down />
      {missed.value !== undefined && (
        <div class="banner banner-note" role="status">
          <Mark tone="deaf" word="gap" bare />
          <span>{missed.value}</span>
          <Button kind="quiet" onClick={() => (missed.value = undefined)}>
            Dismiss
          </Button>
        </div>
      )}
    </div>
  );
}

function Down() {
  const state = link.state.value;
  const [now, setNow] = useState(Date.now());
  const down = state.at === "down" || state.at === "dialling";
  useEffect(() => {
    if (!down) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [down]);
  if (state.at !== "down" && state.at !== "dialling") return null;
  if (now - state.since < PATIENCE_MS) return null;
  const wait = state.at === "down" ? Math.ceil((state.next - now) / 1000) : 0;
  return (
    <div class="banner banner-down" role="alert">
      <Mark tone="failed" word="disconnected" bare />
      <span>
        The broker does not answer{since(now - state.since)}. What you see is as it was; what you send now
        waits and is sent once. {wait > 0 ? `Dialling again in ${wait} s.` : "Dialling…"}
      </span>
      <Button kind="quiet" onClick={() => link.now()}>
        Dial now
      </Button>
    </div>
  );
}

const since = (ms: number) => (ms < 5_000 ? "" : ` for ${duration(ms / 1000)}`);
