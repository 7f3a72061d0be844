/** Who is there, what is planned, and what was spent today. */
import { Link } from "wouter-preact";
import { useAsk, useLoad, useLog, useSoon } from "../../link/use";
import { team, teamKnown } from "../../state/team";
import { clock, money } from "../../ui/format";
import { AspectMark, Mark } from "../../ui/mark";
import { now } from "../../ui/now";
import { Loading } from "../../ui/empty";
import type { BudgetInfo } from "../../wire/frames";
import { Doing } from "../team/doing";
import { Nobody } from "../team/nobody";
import { planned } from "../triggers/planned";
import { readTriggers } from "../triggers/read";
import { act } from "../triggers/words";
import { gaugesOf } from "../usage/series";
import { Lines, Part, Unread } from "./part";

const DAY_MS = 86_400_000;
/** Triggers are read so many pages far. */
const PAGES = 5;
const PLAN_SETTLE_MS = 5_000;
const SPENT_SETTLE_MS = 2_000;

export function Team() {
  const there = team.value.filter(({ state }) => state !== "offline").length;
  const first = [...team.value].sort((a, b) => Number(a.state === "offline") - Number(b.state === "offline"));
  return (
    <Part
      title="Who is there"
      href="/team"
      count={teamKnown.value ? `${there} of ${team.value.length}` : undefined}
    >
      {!teamKnown.value && <Loading what="the roster" />}
      {teamKnown.value && team.value.length === 0 && <Nobody />}
      {team.value.length > 0 && (
        <Lines
          label="Who is there"
          rows={first}
          id={({ name }) => name}
          most={12}
          href="/team"
          none=""
          line={(aspect) => (
            <>
              <AspectMark state={aspect.state} bare />
              <Link class="home-name" href={`/team/${aspect.name}`}>
                {aspect.name}
              </Link>
              <Doing aspect={aspect} />
            </>
          )}
        />
      )}
    </Part>
  );
}

export function Plan() {
  const { value, error, reload } = useLoad(
    async () => planned(await readTriggers(PAGES), Date.now() + DAY_MS),
    [],
  );
  const soon = useSoon(reload, PLAN_SETTLE_MS);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind.startsWith("trigger.")) soon();
  });
  return (
    <Part title="Planned" href="/triggers?show=plan">
      {value ? (
        <Lines
          label="Planned for the next 24 hours"
          rows={value.filter(({ due }) => due > now.value)}
          id={({ due, info }) => `${due} ${info.definition.name}`}
          most={8}
          href="/triggers?show=plan"
          none="Nothing is due in the next 24 hours."
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

export function Spent() {
  // Days are counted in UTC, as budgets are.
  const today = Math.floor(now.value / DAY_MS) * DAY_MS;
  const usage = useAsk("usage.read", { by: "aspect", since: today });
  const budgets = useAsk("budget.list", {});
  const soon = useSoon(() => {
    usage.reload();
    budgets.reload();
  }, SPENT_SETTLE_MS);
  useLog(({ body }) => {
    const counts = body.type === "dispatch_ended" || body.type === "item_closed" || body.type === "alert";
    if (counts || (body.type === "message" && body.meta)) soon();
    if (body.type === "other" && body.kind.startsWith("budget.")) soon();
  });
  const { value } = usage;
  const most = [...(value?.rows ?? [])].sort((a, b) => b.cost_microusd - a.cost_microusd);
  return (
    <Part title="Spent today" href="/usage" count={value && money(value.total.cost_microusd)}>
      {value ? (
        <Lines
          label="Who spent most"
          rows={most.filter(({ cost_microusd, unpriced }) => cost_microusd > 0 || unpriced > 0).slice(0, 4)}
          id={({ key }) => key}
          most={4}
          href="/usage"
          none="Nothing that has a price."
          line={({ key, cost_microusd, unpriced }) => (
            <>
              <span class="home-what">{key}</span>
              <span class="number">{money(cost_microusd)}</span>
              {unpriced > 0 && <span class="quiet small">{unpriced} without a price</span>}
            </>
          )}
        />
      ) : (
        <Unread what="what was spent" error={usage.error} retry={usage.reload} />
      )}
      {budgets.value && budgets.value.budgets.length > 0 && (
        <Lines
          label="Budgets"
          rows={budgets.value.budgets}
          id={({ of, per }) => `${of ?? ""} ${per}`}
          most={4}
          href="/usage#budgets"
          none=""
          line={(budget) => <Budget budget={budget} />}
        />
      )}
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
