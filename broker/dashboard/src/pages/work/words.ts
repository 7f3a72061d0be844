/** What a dispatch is at, in few words. */
import type { Budget, DispatchInfo, Spending } from "../../wire/frames";
import { brief, duration, money } from "../../ui/format";
import { now } from "../../ui/now";

/** Short spans need more than whole seconds. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  return duration(ms / 1_000);
}

/** The time as exactly as it can be had, again whenever the clock of the page goes on. */
export const current = () => Math.max(now.value, Date.now());

/** How long it was or is at work; or waits already. */
export function took(info: DispatchInfo, now: number): string {
  const end = info.ended_at ?? Math.max(now, info.accepted_at);
  if (info.assigned_at === undefined)
    return info.ended_at === undefined ? `waits ${span(end - info.accepted_at)}` : "not begun";
  return span(end - info.assigned_at);
}

const WAITS: Record<NonNullable<DispatchInfo["waiting_for"]>, string> = {
  budget: "until a budget has enough left",
  aspect: "until its aspect is back",
  place: "for a place at its Hand or aspect",
  turn: "for its turn: others come first",
};

export const waits = (info: DispatchInfo): string | undefined => info.waiting_for && WAITS[info.waiting_for];

export function amount({ tokens, cost_microusd }: Budget | Spending): string {
  const parts: string[] = [];
  if (cost_microusd) parts.push(money(cost_microusd));
  if (tokens !== undefined) parts.push(tokens === 1 ? "1 token" : `${brief(tokens)} tokens`);
  return parts.join(", ");
}

/** What it has spent, of what it may; `undefined` when neither is known. */
export function spent(info: DispatchInfo): string | undefined {
  const granted = info.granted && amount(info.granted);
  const limit = granted || (info.budget && amount(info.budget));
  const used = info.spent ? amount(info.spent) : usedOf(info);
  if (!limit) return used || undefined;
  return `${used || "0"} of ${limit}`;
}

function usedOf({ usage, cost_microusd }: DispatchInfo): string {
  if (!usage) return "";
  const { input_tokens = 0, output_tokens = 0, cache_read_tokens = 0, cache_write_tokens = 0 } = usage;
  const tokens = input_tokens + output_tokens + cache_read_tokens + cache_write_tokens;
  if (tokens === 0 && cost_microusd === undefined) return "";
  return amount({ tokens, ...(cost_microusd === undefined ? {} : { cost_microusd }) });
}

export const isDead = ({ state, retried_as }: DispatchInfo): boolean =>
  (state === "failed" || state === "timed_out") && retried_as === undefined;
