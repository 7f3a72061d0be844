/** A flow drawn: its steps from left to right, lines from what each waits for. */
import { toneOfStep } from "./words";
import { Mark } from "../../ui/mark";
import type { FlowStep, RunStep } from "../../wire/frames";
import { before, places } from "./layout";

const [WIDE, HIGH, GAP_X, GAP_Y] = [148, 32, 40, 12];

interface Props {
  steps: readonly FlowStep[];
  /** Where each stands, of a run. */
  states?: readonly RunStep[] | undefined;
}

export function Graph({ steps, states = [] }: Props) {
  const all = places(steps);
  const at = new Map(all.map((place) => [place.id, place]));
  const x = (column: number) => column * (WIDE + GAP_X);
  const y = (row: number) => row * (HIGH + GAP_Y);
  const width = x(Math.max(...all.map(({ column }) => column))) + WIDE;
  const height = y(Math.max(...all.map(({ row }) => row))) + HIGH;
  const lines = steps.flatMap((step) =>
    before(steps, step).flatMap((id) => {
      const [from, to] = [at.get(id), at.get(step.id)];
      return from && to ? [{ id: `${id} ${step.id}`, from, to }] : [];
    }),
  );
  return (
    <div class="flow-graph" role="group" aria-label="Steps, drawn" tabIndex={0}>
      <div style={{ width: `${width}px`, height: `${height}px` }}>
        <svg width={width} height={height} aria-hidden="true">
          {lines.map(({ id, from, to }) => {
            const [x1, y1] = [x(from.column) + WIDE, y(from.row) + HIGH / 2];
            const [x2, y2] = [x(to.column), y(to.row) + HIGH / 2];
            const bend = (x2 - x1) / 2;
            return <path key={id} d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />;
          })}
        </svg>
        {all.map(({ id, column, row }) => {
          const state = states.find((step) => step.id === id)?.state;
          return (
            <span
              key={id}
              class="flow-node mono"
              title={id}
              style={{ left: `${x(column)}px`, top: `${y(row)}px`, width: `${WIDE}px`, height: `${HIGH}px` }}
            >
              {state && <Mark tone={toneOfStep[state]} word={state} bare />}
              <span class="flow-node-name">{id}</span>
            </span>
          );
        })}
      </div>
    </div>
  );
}
