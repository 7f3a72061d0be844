/** Keys of the whole page and of what is shown on it. They do nothing while somebody types. */
import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

export interface Key {
  /** One key as `event.key` names it, or two after one another: `g c`. */
  keys: string;
  does: string;
  act: () => void;
}

interface Group {
  title: string;
  keys: readonly Key[];
}

/** What is good at the moment; the help shows it. */
export const groups = signal<readonly Group[]>([]);

const PATIENCE_MS = 1_500;
let first: { key: string; at: number } | undefined;

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target))
    return;
  if (document.querySelector("dialog[open]")) return;
  const both = first && event.timeStamp - first.at < PATIENCE_MS ? `${first.key} ${event.key}` : undefined;
  const all = [...groups.value].reverse().flatMap((group) => group.keys);
  const hit = all.find((it) => it.keys === both) ?? all.find((it) => it.keys === event.key);
  first = undefined;
  if (hit) {
    event.preventDefault();
    hit.act();
  } else if (all.some((it) => it.keys.startsWith(`${event.key} `))) {
    first = { key: event.key, at: event.timeStamp };
  }
});

/** Keys that are good while the component is shown. `keys` may be made anew with each render. */
export function useKeys(title: string, keys: readonly Key[]): void {
  const current = useRef(keys);
  current.current = keys;
  const names = keys.map((it) => `${it.keys}\n${it.does}`).join("\n");
  // Before anything is painted: whoever sees the page may press a key of it.
  useLayoutEffect(() => {
    const group: Group = {
      title,
      keys: current.current.map((it, at) => ({ ...it, act: () => current.current[at]?.act() })),
    };
    groups.value = [...groups.value, group];
    return () => {
      groups.value = groups.value.filter((it) => it !== group);
    };
  }, [title, names]);
}
