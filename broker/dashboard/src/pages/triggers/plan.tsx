/** The plan: what will happen in the next days, all triggers together. */
import { useLoad } from "../../link/use";
import { link } from "../../link/link";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { clock, date } from "../../ui/format";
import type { TriggerInfo } from "../../wire/frames";
import { act } from "./words";

/** Of so many triggers, the ones that are due first. */
const ASKED_MAX = 40;
const TIMES = 50;
const DAYS_MS = 2 * 86_400_000;

interface Planned {
  due: number;
  info: TriggerInfo;
}

async function read(all: readonly TriggerInfo[]): Promise<Planned[]> {
  const until = Date.now() + DAYS_MS;
  const due = all.filter(({ status, next }) => status === "active" && next !== undefined && next < until);
  const plans = await Promise.all(
    due.slice(0, ASKED_MAX).map(async (info) => {
      const plan = await link.ask("trigger.next", { trigger: info.definition.name, limit: TIMES });
      return plan.slots.map(({ due }) => ({ due, info }));
    }),
  );
  return plans
    .flat()
    .filter(({ due }) => due < until)
    .sort((a, b) => a.due - b.due);
}

export function Plan({ all, onOpen }: { all: readonly TriggerInfo[]; onOpen: (name: string) => void }) {
  const nexts = all.map(({ definition, next, status }) => [definition.name, next, status]);
  const { value, error, loading, reload } = useLoad(() => read(all), [nexts]);
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
  for (const planned of value) {
    const day = date(planned.due);
    days.set(day, [...(days.get(day) ?? []), planned]);
  }
  return (
    <div class="plan">
      {[...days].map(([day, planned]) => (
        <section key={day} aria-label={day}>
          <h2>{day}</h2>
          <ol>
            {planned.map(({ due, info: { definition } }) => (
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
