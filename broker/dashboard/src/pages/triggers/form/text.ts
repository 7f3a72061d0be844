/** Times of this place, as a form has them. */
import { exact } from "../../../ui/format";

/** As a field of the type `datetime-local` has it; "" for none. */
export function localText(at: number | undefined): string {
  return at === undefined ? "" : exact(at).replace(" ", "T");
}

/** The field knows no milliseconds: while it says what `was` says, `was` is meant. */
export function timeOf(text: string, was: number | undefined, field: string): number {
  if (was !== undefined && text === localText(was)) return was;
  const at = new Date(text).getTime();
  if (Number.isNaN(at)) throw new Error(`${field}: "${text}" is no time`);
  return at;
}
