/** One number: how many there are of something, or how much of it. */
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import { alertsKnown, alertsNew, team, teamKnown } from "../../state/team";
import { count } from "../../ui/format";
import type { HomeRegistry, HomeRuns, HomeSource, HomeUsage } from "../../wire/http";
import { Unread } from "./part";
import { isMissing, useCount } from "./rows";
import { figureText, usePlan, useSpent } from "./side";
import { useAsked, useWaiting } from "./waits";
import { HOURS } from "./words";
import { useOpen, useRuns } from "./work";

interface Props {
  title: string;
  href: string;
}

export function Stat({ source, ...head }: Props & { source: HomeSource }) {
  if ("alerts" in source) return <Alerts {...head} />;
  if ("approvals" in source) return <Asked {...head} />;
  if ("aspects" in source) return <There {...head} />;
  if ("registry" in source) return <Rows {...head} registry={source.registry} />;
  if ("runs" in source) return <Runs {...head} runs={source.runs} />;
  if ("triggers" in source) return <Due {...head} hours={source.triggers.hours ?? HOURS} />;
  if ("usage" in source) return <Spent {...head} usage={source.usage} />;
  if ("waits" in source) return <Waiting {...head} />;
  if ("work" in source) return <Open {...head} />;
  return null;
}

interface FigureProps extends Props {
  /** Absent until it is known. */
  value: ComponentChildren;
  /** What it is to be compared with, or what it leaves out. */
  about?: string | undefined;
  error?: Error | undefined;
  retry?: () => void;
}

function Figure({ title, href, value, about, error, retry = () => undefined }: FigureProps) {
  return (
    <section class="home-stat" aria-label={title}>
      <h2>
        <Link href={href}>{title}</Link>
      </h2>
      {value === undefined ? (
        <Unread what={title} error={error} retry={retry} />
      ) : (
        <p class="home-figure">
          {value} {about !== undefined && <span class="quiet small">{about}</span>}
        </p>
      )}
    </section>
  );
}

const Alerts = (head: Props) => (
  <Figure {...head} value={alertsKnown.value ? count(alertsNew.value) : undefined} />
);

const There = (head: Props) => {
  const there = team.value.filter(({ state }) => state !== "offline").length;
  return (
    <Figure {...head} value={teamKnown.value ? count(there) : undefined} about={`of ${team.value.length}`} />
  );
};

function Asked(head: Props) {
  const { open, error, reload } = useAsked();
  return <Figure {...head} value={open && count(open.length)} error={error} retry={reload} />;
}

function Waiting(head: Props) {
  const { count: waiting, error, reload } = useWaiting();
  const value = waiting === undefined ? undefined : count(waiting);
  return <Figure {...head} value={value} error={error} retry={reload} />;
}

const some = (number: number, more: boolean) => `${count(number)}${more ? "+" : ""}`;

function Rows({ registry, ...head }: Props & { registry: HomeRegistry }) {
  const { value, error, reload } = useCount(registry);
  if (!value && isMissing(error)) {
    return <Figure {...head} value="–" about={`there is no registry ${registry.name}`} />;
  }
  return <Figure {...head} value={value && some(value.count, value.more)} error={error} retry={reload} />;
}

function Runs({ runs, ...head }: Props & { runs: HomeRuns }) {
  const { value, error, reload } = useRuns(runs);
  const shown = value && some(value.runs.length, value.more);
  return <Figure {...head} value={shown} error={error} retry={reload} />;
}

function Due({ hours, ...head }: Props & { hours: number }) {
  const { value, error, reload } = usePlan(hours);
  const about = `in ${hours} ${hours === 1 ? "hour" : "hours"}`;
  return <Figure {...head} value={value && count(value.length)} about={about} error={error} retry={reload} />;
}

function Spent({ usage, ...head }: Props & { usage: HomeUsage }) {
  const { value, error, reload } = useSpent(usage);
  const unpriced = value?.total.unpriced ?? 0;
  const about = usage.figure === "tokens" ? "tokens" : unpriced > 0 ? `${unpriced} unpriced` : undefined;
  const shown = value && figureText(usage.figure, value.total);
  return <Figure {...head} value={shown} about={about} error={error} retry={reload} />;
}

function Open(head: Props) {
  const { value, error, reload } = useOpen();
  return <Figure {...head} value={value && count(value.length)} error={error} retry={reload} />;
}
