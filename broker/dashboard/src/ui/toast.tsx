/** A word about what was just done, which goes by itself. */
import { signal } from "@preact/signals";
import { Mark, type Tone } from "./mark";

const STAYS_MS = 6_000;

interface Said {
  id: number;
  text: string;
  tone: Tone;
}

const said = signal<readonly Said[]>([]);
let next = 0;

export function toast(text: string, tone: "online" | "failed" | "deaf" = "online"): void {
  const id = (next += 1);
  said.value = [...said.value.slice(-3), { id, text, tone }];
  setTimeout(() => (said.value = said.value.filter((it) => it.id !== id)), STAYS_MS);
}

const WORDS: Partial<Record<Tone, string>> = { online: "done", failed: "failed", deaf: "note" };

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {said.value.map(({ id, text, tone }) => (
        <div class="toast" key={id}>
          <Mark tone={tone} word={WORDS[tone] ?? tone} bare />
          <span>{text}</span>
        </div>
      ))}
    </div>
  );
}
