/**
 * The plan of a week, laid out by days and hours of the clock here. What is due seldom stands at its hour; what is due all day long
 * is one line of each day, so that the rest can be seen beside it.
 */
import type { TriggerInfo } from "../../wire/frames";

/** When a trigger is due. */
export interface Series {
  info: TriggerInfo;
  /** As far as they are known, in order. */
  times: readonly number[];
  /** Nothing is due then or later. */
  end: number;
  /** How far apart its times are, where they are by their definition. */
  every: number | undefined;
  /** It goes on after the last time that is known. */
  more: boolean;
}

/** One time, or several of a trigger in a row. */
export interface Entry {
  info: TriggerInfo;
  at: number;
  count: number;
  /** How far apart they are, where that is always the same. */
  every?: number;
  /** There are more of them; with a count of 0 none is known. */
  more?: boolean;
  /** The clock was set back: it has shown this time once before. */
  again?: boolean;
}

export interface Day {
  /** Its first moment. */
  start: number;
  often: Entry[];
  /** By the hour. */
  hours: ReadonlyMap<number, Entry[]>;
  /** Hours of the week that the clock skips on this day. */
  skipped: number[];
}

export interface Week {
  /** Those of which something is due on some day. */
  hours: number[];
  days: Day[];
}

export const DAYS = 7;
/** What is due in more hours of a day than these is due often. */
const OFTEN_HOURS = 4;

/** The first moment of the day that comes `days` after that of `now`: days are not all as long as each other. */
export function dayStart(now: number, days = 0): number {
  const it = new Date(now);
  return new Date(it.getFullYear(), it.getMonth(), it.getDate() + days).getTime();
}

export function week(all: readonly Series[], now: number): Week {
  const starts = Array.from({ length: DAYS + 1 }, (_, day) => dayStart(now, day));
  const often = new Map<number, Entry[]>();
  const byHour = new Map<number, Map<number, Entry[]>>();
  for (const one of all) {
    const days = starts.slice(0, -1).map((start, day) => within(one, start, starts[day + 1] ?? start));
    const isOften = one.more || days.some(({ times }) => hoursOf(times).size > OFTEN_HOURS);
    days.forEach((part, day) => {
      const start = starts[day] ?? 0;
      if (isOften) {
        const entry = whole(one, part);
        if (entry) often.set(start, [...(often.get(start) ?? []), entry]);
        return;
      }
      const hours = byHour.get(start) ?? new Map<number, Entry[]>();
      byHour.set(start, hours);
      for (const entry of apart(one, part.times)) {
        const hour = new Date(entry.at).getHours();
        hours.set(hour, [...(hours.get(hour) ?? []), entry]);
      }
    });
  }
  const shown = new Set([...byHour.values()].flatMap((hours) => [...hours.keys()]));
  const hours = [...shown].sort((a, b) => a - b);
  const days = starts.slice(0, -1).map((start) => {
    const those = byHour.get(start) ?? new Map<number, Entry[]>();
    for (const entries of those.values()) entries.sort(inOrder);
    const skipped = hours.filter((hour) => isSkipped(start, hour));
    return { start, often: (often.get(start) ?? []).sort(inOrder), hours: those, skipped };
  });
  return { hours, days };
}

/** What of a series belongs to a day. */
interface Part {
  times: number[];
  /** How many more there are than `times`, of those that go on evenly. */
  further: number;
  /** The first of those. */
  from: number;
  /** It goes on in this day, nobody knows when. */
  more: boolean;
}

function within({ times, end, every, more }: Series, start: number, next: number): Part {
  const known = times.filter((time) => time >= start && time < next);
  const last = times.at(-1);
  if (!more || last === undefined || last >= next || start >= end)
    return { times: known, further: 0, from: 0, more: false };
  if (every === undefined) return { times: known, further: 0, from: start, more: true };
  // Counted, not listed: there are 604 800 seconds in a week.
  const from = last + every * Math.max(1, Math.ceil((start - last) / every));
  const further = Math.max(0, Math.ceil((Math.min(next, end) - from) / every));
  return { times: known, further, from, more: false };
}

/** A day of what is due often, in one. */
function whole({ info, every }: Series, { times, further, from, more }: Part): Entry | undefined {
  const count = times.length + further;
  if (count === 0 && !more) return undefined;
  const apart = every ?? evenly(times);
  return {
    info,
    at: times[0] ?? from,
    count,
    ...(apart === undefined || count < 2 ? {} : { every: apart }),
    ...(more ? { more } : {}),
  };
}

/** Each time by itself; several in one hour are gathered. */
function apart({ info, every }: Series, times: readonly number[]): Entry[] {
  const groups = new Map<string, number[]>();
  for (const time of times) {
    const key = `${new Date(time).getHours()}${isAgain(time)}`;
    groups.set(key, [...(groups.get(key) ?? []), time]);
  }
  return [...groups.values()].map((those) => {
    const at = those[0] ?? 0;
    const step = those.length < 2 ? undefined : (every ?? evenly(those));
    return {
      info,
      at,
      count: those.length,
      ...(step === undefined ? {} : { every: step }),
      ...(isAgain(at) ? { again: true } : {}),
    };
  });
}

function hoursOf(times: readonly number[]): Set<number> {
  return new Set(times.map((time) => new Date(time).getHours()));
}

/** How far apart they are, if that is the same everywhere. */
function evenly(times: readonly number[]): number | undefined {
  const [first, second] = times;
  if (first === undefined || second === undefined) return undefined;
  const step = second - first;
  return times.every((time, at) => time === first + at * step) ? step : undefined;
}

/** What the clock shows then names an earlier moment, too. */
function isAgain(time: number): boolean {
  const it = new Date(time);
  const parts = [it.getMonth(), it.getDate(), it.getHours(), it.getMinutes()] as const;
  const first = new Date(it.getFullYear(), ...parts, it.getSeconds(), it.getMilliseconds());
  return first.getTime() < time;
}

function isSkipped(start: number, hour: number): boolean {
  const it = new Date(start);
  return new Date(it.getFullYear(), it.getMonth(), it.getDate(), hour).getHours() !== hour;
}

function inOrder(a: Entry, b: Entry): number {
  return a.at - b.at || a.info.definition.name.localeCompare(b.info.definition.name);
}
