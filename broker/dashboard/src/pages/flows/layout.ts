/** Where the steps of a flow stand when it is drawn: each behind everything that it waits for. */
import type { FlowStep } from "../../wire/frames";

export interface Place {
  id: string;
  /** How many steps are before it, the longest way. */
  column: number;
  row: number;
}

/** What comes before a step: what it needs, and what leads to it when it fails. */
export function before(steps: readonly FlowStep[], { id, needs = [] }: FlowStep): string[] {
  const leads = ({ on_error }: FlowStep) => typeof on_error === "object" && on_error.goto === id;
  return [...needs, ...steps.filter(leads).map((step) => step.id)];
}

export function places(steps: readonly FlowStep[]): Place[] {
  const columns = new Map<string, number>();
  const column = (step: FlowStep, above: readonly string[]): number => {
    const known = columns.get(step.id);
    if (known !== undefined) return known;
    const earlier = before(steps, step)
      .filter((id) => !above.includes(id))
      .map((id) => steps.find((it) => it.id === id))
      .filter((it) => it !== undefined);
    const at = Math.max(-1, ...earlier.map((it) => column(it, [...above, step.id]))) + 1;
    columns.set(step.id, at);
    return at;
  };
  const rows = new Map<number, number>();
  return steps.map((step) => {
    const at = column(step, [step.id]);
    const row = rows.get(at) ?? 0;
    rows.set(at, row + 1);
    return { id: step.id, column: at, row };
  });
}
