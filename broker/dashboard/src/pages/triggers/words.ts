/** What triggers are, in words. */
import { duration } from "../../ui/format";
import type { Tone } from "../../ui/mark";
import type { Cause, SlotState, Trigger, TriggerInfo, TriggerSlot, TriggerStatus } from "../../wire/frames";

/** `0 8 * * 1-5, Europe/Berlin`; `every 15 min`; `after morning`. */
export function when({ when, timezone }: Trigger): string {
  if (when === "manual") return "by hand alone";
  if ("cron" in when) return `${when.cron}, ${timezone ?? "UTC"}`;
  if ("every" in when) return `every ${span(when.every.seconds)}`;
  if ("at" in when) return "once";
  if ("event" in when)
    return `on ${when.event.kinds.join(", ")}${when.event.by ? ` of ${when.event.by}` : ""}`;
  if ("after" in when) {
    const { trigger, flow, on } = when.after;
    return `after ${trigger ?? `flow ${flow ?? "?"}`}: ${on ?? "success"}`;
  }
  if ("watch" in when) return `change of ${when.watch.url}, looked at every ${span(when.watch.every_s)}`;
  if ("files" in when) {
    const { watch, kinds } = when.files;
    return `files of ${watch}${kinds === undefined || kinds.length === 0 ? "" : ` ${kinds.join(", ")}`}`;
  }
  if ("webhook" in when) return `webhook of ${when.webhook.preset ?? "generic"}`;
  return Object.keys(when).join(", ");
}

/** In its largest unit, if it is a whole number of those. */
export function span(seconds: number): string {
  for (const [unit, name] of [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
  ] as const) {
    if (seconds % unit === 0) return `${seconds / unit} ${name}`;
  }
  return seconds < 60 ? `${seconds} s` : `${duration(seconds)} ${seconds % 60} s`;
}

/** Whom it sets to work, with what. */
export function act({ do: act }: Trigger): { who: string; what: string } {
  if ("ask" in act) return { who: act.ask.aspect, what: act.ask.text };
  if ("dispatch" in act) {
    const { hand, capability, input } = act.dispatch;
    return {
      who: hand ?? `whoever can ${(capability?.needs ?? []).join(", ")}`,
      what: JSON.stringify(input ?? null),
    };
  }
  if ("flow" in act) return { who: `flow ${act.flow.id}`, what: JSON.stringify(act.flow.input ?? null) };
  return { who: Object.keys(act).join(", "), what: JSON.stringify(act) };
}

export const toneOfStatus: Record<TriggerStatus, Tone> = {
  active: "online",
  paused: "stalled",
  done: "offline",
};

export const toneOfSlot: Record<SlotState, Tone> = {
  queued: "offline",
  running: "busy",
  retrying: "stalled",
  done: "online",
  failed: "failed",
  cancelled: "failed",
  skipped: "offline",
};

/** Why a slot is there. */
export function because(cause: Cause): string {
  if (cause === "schedule") return "schedule";
  if ("person" in cause) return cause.person;
  if ("event" in cause) return `entry ${cause.event} of the log`;
  if ("after" in cause) return `after ${cause.after.trigger} ${cause.after.no}`;
  if ("after_run" in cause) return `after a run of ${cause.after_run.flow}`;
  if ("watch" in cause) return `change ${cause.watch.slice(0, 12)}`;
  if ("files" in cause) return `report ${cause.files}`;
  if ("webhook" in cause) return `webhook ${cause.webhook}`;
  return Object.keys(cause).join(", ");
}

export function about({ count, caught_up, reason, attempts }: TriggerSlot): string {
  const parts = [
    ...(count > 1 ? [`${count} slots`] : []),
    ...(caught_up === true ? ["caught up"] : []),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(reason === undefined ? [] : [reason]),
  ];
  return parts.join(" · ");
}

/** Those with a time first, the earliest before; then the others by name. */
export function byNext(a: TriggerInfo, b: TriggerInfo): number {
  return (a.next ?? Infinity) - (b.next ?? Infinity) || a.definition.name.localeCompare(b.definition.name);
}
