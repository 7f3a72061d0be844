/** What will happen by itself, all triggers together, in the order of time. */
import { link } from "../../link/link";
import type { TriggerInfo } from "../../wire/frames";

/** Of so many triggers, the ones that are due first. */
const ASKED_MAX = 40;
const TIMES = 50;

export interface Planned {
  due: number;
  info: TriggerInfo;
}

export async function planned(all: readonly TriggerInfo[], until: number): Promise<Planned[]> {
  const due = all
    .filter(({ status, next }) => status === "active" && next !== undefined && next < until)
    .sort((a, b) => (a.next ?? 0) - (b.next ?? 0));
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
