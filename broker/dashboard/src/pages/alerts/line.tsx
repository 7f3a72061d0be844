/** One alert: how bad, what is wrong and what to do, since when and how often, and who has seen it. */
import { Link } from "wouter-preact";
import { link } from "../../link/link";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { exact } from "../../ui/format";
import { Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import type { Alert } from "../../wire/frames";
import { ends, lookAt, nameOf, severityOf, toneOf } from "./words";

export function Line({ alert }: { alert: Alert }) {
  const { acked_at, cleared_at, key, message, raised_at, times } = alert;
  const severity = severityOf(alert);
  const look = lookAt(alert);
  const over = cleared_at !== undefined;
  const open = !over && acked_at === undefined;
  return (
    <li class={open ? "alert" : "alert alert-seen"} tabIndex={-1} data-alert={key} aria-label={nameOf(alert)}>
      <p class="alert-head">
        {over ? <Mark tone="offline" word="over" /> : <Mark tone={toneOf[severity]} word={severity} />}
        <strong>{nameOf(alert)}</strong>
        {alert.subject !== "" && <code class="alert-subject">{alert.subject}</code>}
        <span class="quiet small" title={exact(raised_at)}>
          since <Time at={raised_at} />
          {times > 1 && `, ${times} times`}
        </span>
      </p>
      <p class="alert-message">{message}</p>
      <p class="alert-foot small">
        {look && !over && <Link href={look.href}>{look.does}</Link>}
        {open && mayAct.value && (
          <Button label={`Acknowledge: ${message}`} onClick={() => acknowledge(alert)}>
            Acknowledge
          </Button>
        )}
        <Seen alert={alert} />
        {!over && <span class="quiet">{ends(alert)}</span>}
      </p>
    </li>
  );
}

function Seen({ alert: { acked_at, acked_by, cleared_at } }: { alert: Alert }) {
  return (
    <>
      {acked_at !== undefined && (
        <span class="quiet">
          seen by {(acked_by ?? "").replace(/^operator\//, "")} <Time at={acked_at} />
        </span>
      )}
      {cleared_at !== undefined && (
        <span class="quiet">
          over <Time at={cleared_at} />
        </span>
      )}
    </>
  );
}

export const acknowledge = ({ key }: Alert): Promise<unknown> => link.ask("alert.ack", { key });
