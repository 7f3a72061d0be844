/** What alerts are, in words: how bad, how they end, and where what they are about can be looked at. Pure. */
import type { Tone } from "../../ui/mark";
import type { Alert, AlertKind } from "../../wire/frames";

/** `urgent`: work stands still, or may be lost, until somebody does something about it. */
export type Severity = "urgent" | "warning" | "note";

interface About {
  severity: Severity;
  /** It happened, and is over once somebody has seen it; others go when what is wrong is over. */
  event?: true;
  /** What to do, as the words of a link, and where. */
  look?: (subject: string) => { does: string; href: string };
}

const part = encodeURIComponent;
const aspect = (subject: string) => ({ does: `Look at ${subject}`, href: `/team/${part(subject)}` });
const dead = () => ({ does: "Look at what has failed", href: "/work?show=dead" });

/** Kinds of a later broker are shown, too: as a warning, with their message. */
const KINDS: Partial<Record<AlertKind, About>> = {
  approval_waiting: {
    severity: "warning",
    look: (subject) => ({ does: "Answer it", href: `/approvals/${part(subject)}` }),
  },
  aspect_deaf: { severity: "warning", look: aspect },
  aspect_failing: { severity: "urgent", look: aspect },
  aspect_missing: { severity: "warning", look: aspect },
  aspect_stalled: { severity: "warning", look: aspect },
  budget_exceeded: {
    severity: "note",
    event: true,
    look: () => ({ does: "Look at what was spent", href: "/usage" }),
  },
  budget_spent: {
    severity: "urgent",
    look: () => ({ does: "Change the budget", href: "/usage#budgets" }),
  },
  push_given_up: { severity: "note", event: true },
  run_failed: {
    severity: "warning",
    event: true,
    look: (subject) => ({ does: "Look at the flow", href: `/flows/of/${part(subject)}` }),
  },
  run_without_output: {
    severity: "note",
    event: true,
    look: (subject) => ({ does: "Look at the flow", href: `/flows/of/${part(subject)}` }),
  },
  session_stuck: {
    severity: "urgent",
    event: true,
    look: (subject) => {
      const [aspect = "", session = ""] = subject.split("/");
      return { does: "Open the session", href: `/sessions/${part(aspect)}/${part(session)}` };
    },
  },
  settings_broken: { severity: "warning", look: aspect },
  spending_stopped: {
    severity: "urgent",
    look: () => ({ does: "Go on", href: "/usage#budgets" }),
  },
  storage: {
    severity: "urgent",
    look: () => ({ does: "Look at the broker", href: "/settings/broker" }),
  },
  thread_paused: {
    severity: "warning",
    look: (subject) => ({ does: "Open the thread", href: `/chat/${part(subject)}` }),
  },
  trigger_paused: {
    severity: "urgent",
    look: (subject) => ({ does: "Look at the trigger", href: `/triggers/${part(subject)}` }),
  },
  watch_failing: {
    severity: "warning",
    look: (subject) => {
      // Of an aspect's watch of files, or of a trigger.
      const [aspect, watch] = subject.split("/");
      return watch === undefined
        ? { does: "Look at the trigger", href: `/triggers/${part(subject)}` }
        : { does: "Look at the aspect", href: `/team/${part(aspect ?? "")}` };
    },
  },
  worker_lost: { severity: "warning", event: true, look: dead },
  workspace_fault: {
    severity: "warning",
    look: () => ({ does: "Look at the workspace", href: "/workspace?show=faults" }),
  },
};

export const severityOf = ({ kind }: Pick<Alert, "kind">): Severity => KINDS[kind]?.severity ?? "warning";

export const toneOf: Record<Severity, Tone> = { urgent: "failed", warning: "deaf", note: "stalled" };

export const nameOf = ({ kind }: Pick<Alert, "kind">): string => kind.replaceAll("_", " ");

/** Where what it is about can be looked at; undefined when no page shows it. */
export function lookAt({
  kind,
  subject,
}: Pick<Alert, "kind" | "subject">): { does: string; href: string } | undefined {
  return KINDS[kind]?.look?.(subject);
}

/** What ends it. */
export function ends({ kind }: Pick<Alert, "kind">): string {
  const about = KINDS[kind];
  if (!about) return "";
  return about.event
    ? "It is over once somebody has acknowledged it."
    : "It goes by itself when what is wrong is over.";
}

const RANK: Record<Severity, number> = { urgent: 0, warning: 1, note: 2 };

/** What nobody has seen before what somebody has, the worst first, the latest of those. */
export function byNeed(a: Alert, b: Alert): number {
  const seen = Number(a.acked_at !== undefined) - Number(b.acked_at !== undefined);
  return seen || RANK[severityOf(a)] - RANK[severityOf(b)] || b.raised_at - a.raised_at;
}
