/** Budgets of a day or month: what is used, set aside and left of each; set and cleared by those who may. */
import { useState } from "preact/hooks";
import { link } from "../../link/link";
import { useAsk, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { count, money } from "../../ui/format";
import { Mark } from "../../ui/mark";
import { Party } from "../../ui/party";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { BudgetInfo } from "../../wire/frames";
import { BudgetDialog } from "./budget";
import { type Gauge, gaugesOf, partsOf } from "./series";
import { Today } from "./today";

const SETTLE_MS = 1_000;

const nameOf = ({ of, per }: BudgetInfo) => `${of ?? "everybody together"}, a ${per}`;

export function Budgets() {
  const budgets = useAsk("budget.list", {});
  const [setting, setSetting] = useState<BudgetInfo | "new">();
  const [clearing, setClearing] = useState<BudgetInfo>();
  const again = useSoon(budgets.reload, SETTLE_MS);
  useLog(({ body }) => {
    const counts = ["message", "dispatch_assigned", "dispatch_ended", "item_closed", "alert"];
    if (counts.includes(body.type) || (body.type === "other" && body.kind.startsWith("budget."))) again();
  });
  const clear = async ({ of, per }: BudgetInfo) => {
    await link.ask("budget.clear", { per, ...(of === undefined ? {} : { of }) });
    toast("The budget is cleared; what was spent stays counted in the usage");
    budgets.reload();
  };
  return (
    <section class="budgets" id="budgets" aria-label="Budgets">
      <header class="budgets-head">
        <h2>Budgets</h2>
        {mayAct.value && <Button onClick={() => setSetting("new")}>Set a budget</Button>}
      </header>
      {budgets.error && !budgets.value && (
        <Fault what="The budgets could not be read" error={budgets.error} retry={budgets.reload} />
      )}
      {budgets.loading && <Loading what="budgets" />}
      {budgets.value && <Today today={budgets.value.today} onDone={budgets.reload} />}
      {budgets.value?.budgets.length === 0 && (
        <Empty title="No budget is set: nothing bounds what is spent.">
          A budget says how many tokens and how much money somebody, or everybody together, may spend in each
          day or month. What does not fit waits. {mayAct.value ? "" : "An operator or an admin can set one."}
        </Empty>
      )}
      <ul class="budget-list">
        {budgets.value?.budgets.map((budget) => (
          <BudgetItem
            key={nameOf(budget)}
            budget={budget}
            onSet={() => setSetting(budget)}
            onClear={() => setClearing(budget)}
          />
        ))}
      </ul>
      {setting && (
        <BudgetDialog
          budget={setting === "new" ? undefined : setting}
          onClose={() => setSetting(undefined)}
          onDone={budgets.reload}
        />
      )}
      {clearing && (
        <Confirm
          title="Clear this budget?"
          action="Clear"
          onConfirm={() => clear(clearing)}
          onClose={() => setClearing(undefined)}
        >
          <p>
            Nothing limits what {clearing.of ?? "everybody together"} spends in a {clearing.per} any more, and
            what waits for it begins.
          </p>
        </Confirm>
      )}
    </section>
  );
}

interface ItemProps {
  budget: BudgetInfo;
  onSet: () => void;
  onClear: () => void;
}

function BudgetItem({ budget, onSet, onClear }: ItemProps) {
  const { of, per, waiting, until, set_by, set_at } = budget;
  const gauges = gaugesOf(budget.limit, budget.used, budget.reserved);
  return (
    <li class="budget" aria-label={`Budget of ${nameOf(budget)}`}>
      <div class="budget-head">
        <h3>
          {of === undefined ? "Everybody together" : <Party party={of} />}
          <span class="quiet"> · each {per}</span>
        </h3>
        {waiting > 0 && (
          <Mark
            tone="stalled"
            word={`${count(waiting)} ${waiting === 1 ? "dispatch waits" : "dispatches wait"}`}
          />
        )}
        {mayAct.value && (
          <span class="budget-buttons">
            <Button kind="quiet" label={`Change the budget of ${nameOf(budget)}`} onClick={onSet}>
              Change
            </Button>
            <Button kind="quiet" label={`Clear the budget of ${nameOf(budget)}`} onClick={onClear}>
              Clear
            </Button>
          </span>
        )}
      </div>
      {gauges.map((gauge) => (
        <GaugeBar key={gauge.what} gauge={gauge} />
      ))}
      <p class="quiet small">
        Begins anew <Time at={until} /> · set by {set_by} <Time at={set_at} />
      </p>
    </li>
  );
}

function GaugeBar({ gauge }: { gauge: Gauge }) {
  const { what, limit, used, reserved } = gauge;
  const parts = partsOf(limit, used, reserved);
  const show = what === "cost" ? money : count;
  const left = Math.max(0, limit - used - reserved);
  const of = (part: number) => Math.round(part * 1_000) / 10;
  return (
    <div class="gauge">
      <svg class="gauge-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <defs>
          <pattern id={`held-${what}`} width="3" height="8" patternUnits="userSpaceOnUse">
            <rect class="gauge-held" width="1.4" height="8" />
          </pattern>
        </defs>
        <rect class="gauge-all" width="100" height="8" />
        <rect class={parts.over ? "gauge-used gauge-over" : "gauge-used"} width={of(parts.used)} height="8" />
        <rect fill={`url(#held-${what})`} x={of(parts.used)} width={of(parts.reserved)} height="8" />
        {parts.limit < 1 && <rect class="gauge-limit" x={of(parts.limit) - 0.3} width="0.6" height="8" />}
      </svg>
      <p class="gauge-words">
        <span>
          <span class="number">{show(used)}</span> used
        </span>
        {reserved > 0 && (
          <span>
            <span class="number">{show(reserved)}</span> set aside
          </span>
        )}
        <span>{parts.over ? <Mark tone="failed" word="over the limit" /> : <>{show(left)} left</>}</span>
        <span class="gauge-of">
          of <span class="number">{show(limit)}</span> {what === "tokens" ? "tokens" : ""}
        </span>
      </p>
    </div>
  );
}
