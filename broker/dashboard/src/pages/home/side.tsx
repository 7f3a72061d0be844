/** Who is there, what is planned, and what was spent. */
import { Link } from "wouter-preact";
import { type Asked, useAsk, useLoad, useLog, useSoon } from "../../link/use";
import { team, teamKnown } from "../../state/team";
import { Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { clock, count, money } from "../../ui/format";
import { AspectMark, Mark } from "../../ui/mark";
import { now } from "../../ui/now";
import type { AspectInfo, BudgetInfo, DispatchInfo, UsageReport, UsageRow } from "../../wire/frames";
import type { HomeUsage } from "../../wire/http";
import { Doing } from "../team/doing";
import { Nobody } from "../team/nobody";
import { type Planned, planned } from "../triggers/planned";
import { readTriggers } from "../triggers/read";
import { act } from "../triggers/words";
import { allTokens, gaugesOf } from "../usage/series";
import { Lines, Part, Unread } from "./part";
import { DispatchLine, useDispatches } from "./work";
import { hrefOf } from "./words";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Triggers are read so many pages far. */
const PAGES = 5;
const PLAN_SETTLE_MS = 5_000;
const SPENT_SETTLE_MS = 2_000;

/** Who is there, and below each what it has asked others to do, or does for people, as a tree. */
export function Team({ title, most }: { title: string; most: number }) {
  const { value, error, reload } = useDispatches();
  const open = value?.dispatches ?? [];
  const held = heldBy(open);
  const under = ({ name }: AspectInfo) => held.get(name) ?? [];
  const there = team.value.filter(({ state }) => state !== "offline").length;
  // Where not all of them are shown, those with work are.
  const isLong = team.value.length > most;
  const rank = (aspect: AspectInfo) =>
    (aspect.state === "offline" ? 2 : 0) + (isLong && under(aspect).length === 0 ? 1 : 0);
  const first = [...team.value].sort((a, b) => rank(a) - rank(b));
  return (
    <Part title={title} href="/team" count={teamKnown.value ? `${there} of ${team.value.length}` : undefined}>
      {!teamKnown.value && <Loading what="the roster" />}
      {teamKnown.value && team.value.length === 0 && <Nobody />}
      <Lines
        label={title}
        rows={first}
        id={({ name }) => name}
        most={most}
        href="/team"
        none=""
        line={(aspect) => (
          <>
            <AspectMark state={aspect.state} bare />
            <Link class="home-name" href={`/team/${aspect.name}`}>
              {aspect.name}
            </Link>
            <Doing aspect={aspect} />
            <Below of={under(aspect)} open={open} by={aspect.name} />
          </>
        )}
      />
      {error && !value && (
        <Fault what="What they are at work on could not be read" error={error} retry={reload} />
      )}
      {value?.more && <Link href="/work?show=open">More is at work</Link>}
    </Part>
  );
}

const workerOf = ({ hand }: DispatchInfo) => hand.split("/")[0] ?? hand;

/** Work that is no part of other work, by whom it stands below: who asked for it, or who does it where people did. */
function heldBy(open: readonly DispatchInfo[]): Map<string, DispatchInfo[]> {
  const ids = new Set(open.map(({ id }) => id));
  const names = new Set<string>(team.value.map(({ name }) => name));
  const held = new Map<string, DispatchInfo[]>();
  for (const work of open) {
    if (work.parent !== undefined && ids.has(work.parent)) continue;
    const holder = names.has(work.invoker) ? work.invoker : workerOf(work);
    held.set(holder, [...(held.get(holder) ?? []), work]);
  }
  return held;
}

interface BelowProps {
  of: readonly DispatchInfo[];
  open: readonly DispatchInfo[];
  /** Who is named above. */
  by: string;
}

function Below({ of, open, by }: BelowProps) {
  if (of.length === 0) return null;
  return (
    <ul class="home-below">
      {of.map((work) => (
        <li key={work.id}>
          <DispatchLine dispatch={work} by={by} />
          <Below of={open.filter(({ parent }) => parent === work.id)} open={open} by={workerOf(work)} />
        </li>
      ))}
    </ul>
  );
}

/** What triggers will do in so many hours, in the order of time. */
export function usePlan(hours: number): Asked<Planned[]> {
  const asked = useLoad(
    async () => planned(await readTriggers(PAGES), Date.now() + hours * HOUR_MS),
    [hours],
  );
  const soon = useSoon(asked.reload, PLAN_SETTLE_MS);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind.startsWith("trigger.")) soon();
  });
  const { value } = asked;
  return value ? { ...asked, value: value.filter(({ due }) => due > now.value) } : asked;
}

export function Plan({ title, most, hours }: { title: string; most: number; hours: number }) {
  const { value, error, reload } = usePlan(hours);
  return (
    <Part title={title} href="/triggers?show=plan">
      {value ? (
        <Lines
          label={`Planned for the next ${hours} hours`}
          rows={value}
          id={({ due, info }) => `${due} ${info.definition.name}`}
          most={most}
          href="/triggers?show=plan"
          none={`Nothing is due in the next ${hours} hours.`}
          line={({ due, info: { definition } }) => (
            <>
              <time class="number" dateTime={new Date(due).toISOString()}>
                {clock(due)}
              </time>
              <Link class="home-what mono" href={`/triggers/${definition.name}`}>
                {definition.name}
              </Link>
              <span class="quiet small">{act(definition).who}</span>
            </>
          )}
        />
      ) : (
        <Unread what="the plan" error={error} retry={reload} />
      )}
    </Part>
  );
}

/** Of so many days, in UTC as budgets are, with today as the last. */
export function useSpent(
  { by = "aspect", days = 1 }: HomeUsage,
  also?: () => void,
): Asked<UsageReport> & { since: number } {
  const since = (Math.floor(now.value / DAY_MS) - (days - 1)) * DAY_MS;
  const usage = useAsk("usage.read", { by, since });
  const soon = useSoon(() => {
    usage.reload();
    also?.();
  }, SPENT_SETTLE_MS);
  useLog(({ body }) => {
    const counts = body.type === "dispatch_ended" || body.type === "item_closed" || body.type === "alert";
    if (counts || (body.type === "message" && body.meta)) soon();
    if (body.type === "other" && body.kind.startsWith("budget.")) soon();
  });
  return { ...usage, since };
}

/** What a part is about, of one line or of all. */
export const figureOf = (figure: HomeUsage["figure"], row: UsageRow): number =>
  figure === "tokens" ? allTokens(row.usage) : row.cost_microusd;

export const figureText = (figure: HomeUsage["figure"], row: UsageRow): string =>
  figure === "tokens" ? count(allTokens(row.usage)) : money(row.cost_microusd);

export function Spent({ title, most, usage }: { title: string; most: number; usage: HomeUsage }) {
  const { by, figure } = usage;
  const budgets = useAsk("budget.list", {});
  const { value, error, reload } = useSpent(usage, budgets.reload);
  const byNeed = (a: UsageRow, b: UsageRow) =>
    by === "day" ? (a.key < b.key ? 1 : -1) : figureOf(figure, b) - figureOf(figure, a);
  const rows = [...(value?.rows ?? [])].sort(byNeed);
  const counted = rows.filter((row) => figureOf(figure, row) > 0 || (figure === "cost" && row.unpriced > 0));
  return (
    <Part title={title} href={hrefOf({ usage })} count={value && figureText(figure, value.total)}>
      {value ? (
        <Lines
          label={by === "day" ? "Each day" : "Who spent most"}
          rows={counted.slice(0, most)}
          id={({ key }) => key}
          most={most}
          href="/usage"
          none={figure === "tokens" ? "Nothing." : "Nothing that has a price."}
          line={(row) => (
            <>
              <span class="home-what">{row.key}</span>
              <span class="number">{figureText(figure, row)}</span>
              {figure === "cost" && row.unpriced > 0 && (
                <span class="quiet small">{row.unpriced} without a price</span>
              )}
            </>
          )}
        />
      ) : (
        <Unread what="what was spent" error={error} retry={reload} />
      )}
      <Lines
        label="Budgets"
        rows={budgets.value?.budgets ?? []}
        id={({ of, per }) => `${of ?? ""} ${per}`}
        most={most}
        href="/usage#budgets"
        none=""
        line={(budget) => <Budget budget={budget} />}
      />
    </Part>
  );
}

function Budget({ budget: { of, per, limit, used, reserved, waiting } }: { budget: BudgetInfo }) {
  const part = Math.max(
    ...gaugesOf(limit, used, reserved).map((it) => (it.used + it.reserved) / Math.max(it.limit, 1)),
    0,
  );
  return (
    <>
      <Link class="home-what" href="/usage#budgets">
        {of ?? "everybody together"}, a {per}
      </Link>
      <span class="number">{Math.round(part * 100)} %</span>
      {waiting > 0 && <Mark tone="stalled" word={`${waiting} ${waiting === 1 ? "waits" : "wait"}`} />}
    </>
  );
}
