/** What `usage.read` says, as charts draw it: one place on the axis for each key, one series for each kind. */
import type { Budget, Spending, Usage, UsageReport, UsageRow } from "../../wire/frames";
import { DAY_MS, type Range, dayOf, dayText } from "./range";

export const KINDS = ["input", "output", "cache_read", "cache_write"] as const;
export type TokenKind = (typeof KINDS)[number];

export const KIND_WORDS: Record<TokenKind, string> = {
  input: "Input",
  output: "Output",
  cache_read: "Cache reads",
  cache_write: "Cache writes",
};

const FIELDS: Record<TokenKind, keyof Usage> = {
  input: "input_tokens",
  output: "output_tokens",
  cache_read: "cache_read_tokens",
  cache_write: "cache_write_tokens",
};

export const tokensOf = (usage: Usage, kind: TokenKind): number => usage[FIELDS[kind]] ?? 0;

export const allTokens = (usage: Usage): number =>
  KINDS.reduce((sum, kind) => sum + tokensOf(usage, kind), 0);

export interface Bars {
  keys: string[];
  /** US dollars. */
  cost: number[];
  /** In the order of `KINDS`. */
  tokens: number[][];
  /** Keys beyond what a chart can tell apart, added up in the last place. */
  others: number;
}

const DAYS_MAX = 400;
const BARS_MAX = 16;

const nothing = (key: string): UsageRow => ({
  key,
  messages: 0,
  dispatches: 0,
  usage: { input_tokens: 0, output_tokens: 0 },
  cost_microusd: 0,
  unpriced: 0,
});

/** Days without spending are days, too: the axis has every one of the range. */
export function everyDay(rows: readonly UsageRow[], range: Range, now: number): UsageRow[] {
  const days = rows.map((row) => dayOf(row.key)).filter((at) => at !== undefined);
  const known = new Map(rows.map((row) => [row.key, row]));
  const first = range.since ?? days[0];
  const last = range.until === undefined ? Math.floor(now / DAY_MS) * DAY_MS : range.until - DAY_MS;
  if (first === undefined) return [];
  const end = Math.max(last, days.at(-1) ?? last);
  const begin = Math.max(first, end - (DAYS_MAX - 1) * DAY_MS);
  const all: UsageRow[] = [];
  for (let at = begin; at <= end; at += DAY_MS) all.push(known.get(dayText(at)) ?? nothing(dayText(at)));
  return all;
}

export function barsOf({ by, rows, total }: UsageReport, range: Range, now: number): Bars {
  let shown = by === "day" ? everyDay(rows, range, now) : [...rows];
  let others = 0;
  if (by !== "day" && shown.length > BARS_MAX) {
    others = shown.length - (BARS_MAX - 1);
    shown = shown.slice(0, BARS_MAX - 1);
    shown.push(rest(total, shown, others));
  }
  return {
    keys: shown.map((row) => row.key),
    cost: shown.map((row) => row.cost_microusd / 1_000_000),
    tokens: KINDS.map((kind) => shown.map((row) => tokensOf(row.usage, kind))),
    others,
  };
}

function rest(total: UsageRow, shown: readonly UsageRow[], others: number): UsageRow {
  const left = (of: (row: UsageRow) => number) =>
    Math.max(0, of(total) - shown.reduce((sum, it) => sum + of(it), 0));
  const usage = Object.fromEntries(
    KINDS.map((kind) => [FIELDS[kind], left((row) => tokensOf(row.usage, kind))]),
  ) as unknown as Usage;
  return { ...nothing(`${others} others`), usage, cost_microusd: left((row) => row.cost_microusd) };
}

/** Each series on top of those before it. */
export function stacked(series: readonly (readonly number[])[]): number[][] {
  const tops: number[][] = [];
  for (const values of series) {
    const below = tops.at(-1);
    tops.push(values.map((value, at) => value + (below?.[at] ?? 0)));
  }
  return tops;
}

/** How much of a limit is used, set aside and left, as parts of one; more than the limit fills the bar. */
export function partsOf(limit: number, used: number, reserved: number) {
  const all = Math.max(limit, used + reserved, 1);
  return { used: used / all, reserved: reserved / all, limit: limit / all, over: used > limit };
}

export interface Gauge {
  what: "tokens" | "cost";
  limit: number;
  used: number;
  reserved: number;
}

/** What of a budget is limited. */
export function gaugesOf(limit: Budget, used: Spending, reserved: Spending): Gauge[] {
  const gauges: Gauge[] = [];
  if (limit.tokens !== undefined) {
    gauges.push({
      what: "tokens",
      limit: limit.tokens,
      used: used.tokens ?? 0,
      reserved: reserved.tokens ?? 0,
    });
  }
  if (limit.cost_microusd !== undefined) {
    gauges.push({
      what: "cost",
      limit: limit.cost_microusd,
      used: used.cost_microusd ?? 0,
      reserved: reserved.cost_microusd ?? 0,
    });
  }
  return gauges;
}

/** Dollars as somebody types them, in millionths; undefined for what is no such sum. */
export function microusd(text: string): number | undefined {
  const found = /^\$?\s*(\d{1,9})(?:[.,](\d{1,6}))?$/.exec(text.trim());
  if (!found) return undefined;
  return Number(found[1]) * 1_000_000 + Number((found[2] ?? "").padEnd(6, "0"));
}

/** A whole number with `k` or `M` behind it, spaces within. */
export function tokens(text: string): number | undefined {
  const found = /^(\d+(?:[.,]\d+)?)\s*([kKmM]?)$/.exec(text.replaceAll(/[\s_\u202f]/g, ""));
  if (!found?.[1]) return undefined;
  const unit = { "": 1, k: 1_000, m: 1_000_000 }[(found[2] ?? "").toLowerCase()] ?? 1;
  const value = Number(found[1].replace(",", ".")) * unit;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Dollars at the side of a chart, with as many digits as their steps have. */
export function dollars(usd: number, step: number): string {
  if (usd === 0) return "$0";
  let digits = 2;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits += 1;
  return `$${usd.toFixed(step >= 1 && Number.isInteger(step) ? 0 : digits)}`;
}
