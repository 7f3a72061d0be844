/** All spending, today: stopped, let go on, or allowed more than its budgets; and by whom, until when. */
import { useState } from "preact/hooks";
import { link } from "../../link/link";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { money } from "../../ui/format";
import { Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { SpendingDay } from "../../wire/frames";

interface Props {
  today: SpendingDay | undefined;
  onDone: () => void;
}

/** What was said for today, and the buttons that say something else. */
export function Today({ today, onDone }: Props) {
  const [stopping, setStopping] = useState(false);
  const goOn = async () => {
    await link.ask("budget.go_on", {});
    toast("Spending goes on, within the budgets");
    onDone();
  };
  const stopped = today?.stop !== undefined;
  return (
    <div class="today" role="status" aria-label="Spending today">
      {today && <Said today={today} />}
      {mayAct.value &&
        (stopped ? (
          <Button kind="primary" onClick={goOn}>
            Go on
          </Button>
        ) : (
          <Button onClick={() => setStopping(true)}>Stop spending for today</Button>
        ))}
      {stopping && <StopDialog onClose={() => setStopping(false)} onDone={onDone} />}
    </div>
  );
}

function Said({ today }: { today: SpendingDay }) {
  const { stop, unlimited, cost_microusd, by, until } = today;
  if (stop) {
    return (
      <p>
        <Mark tone="failed" word="all spending is stopped" /> by {stop.by ?? by} until <Time at={until} />
        {stop.reason === undefined ? "" : `: ${stop.reason}`}
      </p>
    );
  }
  const more =
    unlimited === true ? "no budget of a day is looked at" : `${money(cost_microusd ?? 0)} more each`;
  return (
    <p class="quiet">
      Until <Time at={until} />: {more}, says {by}
    </p>
  );
}

function StopDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [reason, setReason] = useState("");
  const stop = async () => {
    await link.ask("budget.stop", reason.trim() === "" ? {} : { reason: reason.trim() });
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title="Stop spending for today?"
      action="Stop"
      failed="Spending was not stopped"
      onSubmit={stop}
      onClose={onClose}
    >
      <p>
        No agent begins another call of a model until the day ends (UTC), or somebody lets it go on. What they
        have done is kept, and work that has not begun waits. Scripts, timers and approvals go on.
      </p>
      <Field label="Why" value={reason} onInput={setReason} hint="Shown to others" />
    </FormDialog>
  );
}
