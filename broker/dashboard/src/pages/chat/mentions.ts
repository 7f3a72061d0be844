/** Completion of `@name` while somebody writes. */

export interface Open {
  /** Where the `@` stands. */
  from: number;
  /** What was typed after it. */
  typed: string;
}

/** The mention that is being typed where the caret is, if one is. */
export function openMention(text: string, caret: number): Open | undefined {
  const found = /(?:^|[\s([{"'])@([a-z0-9-]{0,31})$/i.exec(text.slice(0, caret));
  if (!found) return undefined;
  const typed = found[1] ?? "";
  return { from: caret - typed.length - 1, typed };
}

/** Names that go on with what was typed, first those that begin with it. */
export function candidates(names: readonly string[], typed: string): string[] {
  const wanted = typed.toLowerCase();
  const begins = names.filter((name) => name.startsWith(wanted));
  const holds = names.filter((name) => !name.startsWith(wanted) && name.includes(wanted));
  return [...begins, ...holds].slice(0, 8);
}

/** The text with the mention put in, and where the caret goes. */
export function complete(
  text: string,
  caret: number,
  open: Open,
  name: string,
): { text: string; caret: number } {
  const after = text.slice(caret);
  const gap = /^\s/.test(after) ? "" : " ";
  const head = `${text.slice(0, open.from)}@${name}${gap}`;
  return { text: head + after, caret: head.length + (gap === "" ? 1 : 0) };
}
