/** What will happen by itself, all triggers together. */
import { link } from "../../link/link";
import type { TriggerInfo } from "../../wire/frames";
import type { Series } from "./week";

/** Of so many triggers, the ones that are due first. */
export const ASKED_MAX = 40;
const TIMES = 50;
/** What the broker tells of one trigger at most. */
const TIMES_MAX = 100;

export interface Planned {
  due: number;
  info: TriggerInfo;
}

/** Those that are due until then, the earliest first. */
export function dueUntil(all: readonly TriggerInfo[], until: number): TriggerInfo[] {
  return all
    .filter(({ status, next }) => status === "active" && next !== undefined && next < until)
    .sort((a, b) => (a.next ?? 0) - (b.next ?? 0));
}

/** In the order of time. */
export async function planned(all: readonly TriggerInfo[], until: number): Promise<Planned[]> {
  const plans = await series(all, until, TIMES);
  return plans
    .flatMap(({ info, times }) => times.map((due) => ({ due, info })))
    .sort((a, b) => a.due - b.due);
}

/** Each with its times. */
export function series(all: readonly TriggerInfo[], until: number, limit = TIMES_MAX): Promise<Series[]> {
  return Promise.all(
    dueUntil(all, until)
      .slice(0, ASKED_MAX)
      .map(async (info) => {
        const { name, when, expires_at } = info.definition;
        const { slots } = await link.ask("trigger.next", { trigger: name, limit });
        const last = slots.at(-1)?.due ?? until;
        const times = slots.map(({ due }) => due).filter((due) => due < until);
        const every = typeof when === "object" && "every" in when ? when.every.seconds * 1000 : undefined;
        const end = Math.min(until, expires_at ?? until);
        return { info, times, end, every, more: slots.length === limit && last < end };
      }),
  );
}
