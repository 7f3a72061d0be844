/** Which time is looked at: the last days, a month, or from one day to another. All in UTC, as the broker counts. */

export const DAY_MS = 86_400_000;

export interface Range {
  /** At this time or later; absent: from the beginning. */
  since?: number;
  /** Before this time. */
  until?: number;
}

export const PRESETS = [
  { value: "1", label: "Today" },
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "month", label: "This month" },
  { value: "all", label: "All" },
] as const;

export type Preset = (typeof PRESETS)[number]["value"];

const startOfDay = (at: number) => Math.floor(at / DAY_MS) * DAY_MS;

export function rangeOf(preset: Preset, now: number): Range {
  switch (preset) {
    case "all":
      return {};
    case "month": {
      const it = new Date(now);
      return { since: Date.UTC(it.getUTCFullYear(), it.getUTCMonth(), 1) };
    }
    case "1":
    case "7":
    case "30":
      return { since: startOfDay(now) - (Number(preset) - 1) * DAY_MS };
  }
}

/** `2026-11-26` as the time the day begins; undefined for what is no day. */
export function dayOf(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const at = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(at) ? undefined : at;
}

export const dayText = (at: number) => new Date(at).toISOString().slice(0, 10);

/** From one day to another, the last one included. Either end may be open. */
export function between(from: string, to: string): Range {
  const [since, last] = [dayOf(from), dayOf(to)];
  return {
    ...(since === undefined ? {} : { since }),
    ...(last === undefined ? {} : { until: last + DAY_MS }),
  };
}
