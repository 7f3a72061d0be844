/** What somebody should look at. An acknowledgement says who does. */
import { link } from "../../link/link";
import { mayAct } from "../../state/session";
import { alerts } from "../../state/team";
import { Button } from "../../ui/button";
import { Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import type { Alert } from "../../wire/frames";

export function Alerts() {
  if (alerts.value.length === 0) return null;
  return (
    <section class="alerts" aria-label="Alerts">
      <ul>
        {alerts.value.map((alert) => (
          <AlertLine key={alert.key} alert={alert} />
        ))}
      </ul>
    </section>
  );
}

function AlertLine({ alert }: { alert: Alert }) {
  const seen = alert.acked_at !== undefined;
  return (
    <li class={seen ? "alert alert-seen" : "alert"}>
      <Mark tone={seen ? "stalled" : "deaf"} word={alert.kind.replaceAll("_", " ")} />
      <span class="alert-message">{alert.message}</span>
      <span class="quiet small">
        {alert.times > 1 && `${alert.times} times, `}
        <Time at={alert.raised_at} />
        {seen && ` · seen by ${(alert.acked_by ?? "").replace(/^operator\//, "")}`}
      </span>
      {!seen && mayAct.value && (
        <Button
          kind="quiet"
          label={`Acknowledge: ${alert.message}`}
          onClick={() => link.ask("alert.ack", { key: alert.key })}
        >
          Acknowledge
        </Button>
      )}
    </li>
  );
}
