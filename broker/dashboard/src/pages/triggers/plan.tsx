/** The plan: what will happen in the next days, all triggers together. */
import { useLoad } from "../../link/use";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { clock, date } from "../../ui/format";
import type { TriggerInfo } from "../../wire/frames";
import { type Planned, planned } from "./planned";
import { act } from "./words";

const DAYS_MS = 2 * 86_400_000;

export function Plan({ all, onOpen }: { all: readonly TriggerInfo[]; onOpen: (name: string) => void }) {
  const nexts = all.map(({ definition, next, status }) => [definition.name, next, status]);
  const { value, error, loading, reload } = useLoad(() => planned(all, Date.now() + DAYS_MS), [nexts]);
  if (loading) return <Loading what="the plan" />;
  if (!value) return error ? <Fault what="The plan could not be read" error={error} retry={reload} /> : null;
  if (value.length === 0) {
    return (
      <Empty title="Nothing is due in the next two days.">
        What waits for an event, for another trigger or for somebody is in no plan.
      </Empty>
    );
  }
  const days = new Map<string, Planned[]>();
  for (const one of value) {
    const day = date(one.due);
    days.set(day, [...(days.get(day) ?? []), one]);
  }
  return (
    <div class="plan">
      {[...days].map(([day, those]) => (
        <section key={day} aria-label={day}>
          <h2>{day}</h2>
          <ol>
            {those.map(({ due, info: { definition } }) => (
              <li key={`${due} ${definition.name}`}>
                <time class="number" dateTime={new Date(due).toISOString()}>
                  {clock(due)}
                </time>
                <button type="button" class="link mono" onClick={() => onOpen(definition.name)}>
                  {definition.name}
                </button>
                <span class="quiet">{act(definition).who}</span>
              </li>
            ))}
          </ol>
        </section>
      ))}
    </div>
  );
}
