/** What alerts are, in words: how they end, and where what they are about can be looked at. How bad one is the broker says. Pure. */
import type { Tone } from "../../ui/mark";
import type { Alert, AlertKind, AlertSeverity } from "../../wire/frames";

/** What to do, as the words of a link, and where. */
type Look = (subject: string) => { does: string; href: string };

const part = encodeURIComponent;
const aspect: Look = (subject) => ({ does: `Look at ${subject}`, href: `/team/${part(subject)}` });

const flow: Look = (subject) => ({ does: "Look at the flow", href: `/flows/of/${part(subject)}` });
const trigger: Look = (subject) => ({ does: "Look at the trigger", href: `/triggers/${part(subject)}` });

/** Kinds of a later broker are shown, too, with their message. */
const LOOKS: Partial<Record<AlertKind, Look>> = {
  approval_waiting: (subject) => ({ does: "Answer it", href: `/approvals/${part(subject)}` }),
  aspect_deaf: aspect,
  aspect_failing: aspect,
  aspect_missing: aspect,
  aspect_stalled: aspect,
  budget_exceeded: () => ({ does: "Look at what was spent", href: "/usage" }),
  budget_spent: () => ({ does: "Change the budget", href: "/usage#budgets" }),
  clock_off: () => ({ does: "Look at the broker", href: "/settings/broker" }),
  disk_low: () => ({ does: "Look at the broker", href: "/settings/broker" }),
  run_failed: flow,
  run_without_output: flow,
  session_stuck: (subject) => {
    const [aspect = "", session = ""] = subject.split("/");
    return { does: "Open the session", href: `/sessions/${part(aspect)}/${part(session)}` };
  },
  settings_broken: aspect,
  spending_stopped: () => ({ does: "Go on", href: "/usage#budgets" }),
  storage: () => ({ does: "Look at the broker", href: "/settings/broker" }),
  thread_paused: (subject) => ({ does: "Open the thread", href: `/chat/${part(subject)}` }),
  trigger_paused: trigger,
  tenant_down: () => ({ does: "Look at the broker", href: "/settings/broker" }),
  // Of an aspect's watch of files, or of a trigger.
  watch_failing: (subject) => {
    const [name = "", watch] = subject.split("/");
    return watch === undefined
      ? trigger(subject)
      : { does: "Look at the aspect", href: `/team/${part(name)}` };
  },
  // Of a Hand, or of flows for which there is no room.
  work_waiting: (subject) => ({ does: "Look at what waits", href: subject === "flows" ? "/flows" : "/work" }),
  worker_lost: () => ({ does: "Look at what has failed", href: "/work?show=dead" }),
  workspace_fault: () => ({ does: "Look at the workspace", href: "/workspace?show=faults" }),
};

/** Of a broker that does not say it yet: a warning. */
export const severityOf = ({ severity = "warning" }: Pick<Alert, "severity">): AlertSeverity => severity;

export const toneOf: Record<AlertSeverity, Tone> = { urgent: "failed", warning: "deaf", note: "stalled" };

export const nameOf = ({ kind }: Pick<Alert, "kind">): string => kind.replaceAll("_", " ");

/** Where what it is about can be looked at; undefined when no page shows it. */
export function lookAt({
  kind,
  subject,
}: Pick<Alert, "kind" | "subject">): { does: string; href: string } | undefined {
  return LOOKS[kind]?.(subject);
}

/** What ends it. */
export const ends = ({ nature }: Pick<Alert, "nature">): string =>
  nature === "event"
    ? "It is over once somebody has acknowledged it."
    : "It goes by itself when what is wrong is over.";

const RANK: Record<AlertSeverity, number> = { urgent: 0, warning: 1, note: 2 };

/** What nobody has seen before what somebody has, the worst first, the latest of those. */
export function byNeed(a: Alert, b: Alert): number {
  const seen = Number(a.acked_at !== undefined) - Number(b.acked_at !== undefined);
  return seen || RANK[severityOf(a)] - RANK[severityOf(b)] || b.raised_at - a.raised_at;
}
