/** What waits for people: questions and approvals, what was said and not read, and alerts nobody has seen. */
import { Link } from "wouter-preact";
import { alerts, alertsKnown, alertsNew } from "../../state/team";
import { threads, unreadThreads } from "../../state/threads";
import { Loading } from "../../ui/empty";
import { Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import { byNeed, lookAt, nameOf, severityOf, toneOf } from "../alerts/words";
import { titleOf } from "../approvals/asked";
import { approvals, useApprovals } from "../approvals/use";
import { Lines, Part, Unread } from "./part";

const MOST = 5;

export function Waits() {
  const { known, error, reload } = useApprovals();
  const open = [...approvals.value.values()]
    .filter(({ state }) => state === "open")
    .sort((a, b) => a.expires_at - b.expires_at);
  const unread = threads.value.filter(({ unread = 0 }) => unread > 0);
  return (
    <Part title="Waits for you" href="/approvals" count={open.length || undefined}>
      {known ? (
        <Lines
          label="What agents ask"
          rows={open}
          id={({ id }) => id}
          most={MOST}
          href="/approvals"
          none="No agent asks anything."
          line={(info) => (
            <>
              <Mark tone="deaf" word={info.asked.type === "tool" ? "approval" : "question"} />
              <Link class="home-what" href={`/approvals/${info.id}`}>
                {titleOf(info)}
              </Link>
              <span class="quiet small">
                {info.aspect}, <Time at={info.asked_at} />
              </span>
            </>
          )}
        />
      ) : (
        <Unread what="what is asked" error={error} retry={reload} />
      )}
      {unreadThreads.value > 0 && (
        <Lines
          label="Not read yet"
          rows={unread}
          id={({ id }) => id}
          most={3}
          href="/chat"
          none=""
          line={(thread) => (
            <>
              <Mark tone="busy" word={`${thread.unread ?? 0} unread`} />
              <Link class="home-what" href={`/chat/${thread.id}`}>
                {thread.title || "Without a title"}
              </Link>
              <span class="quiet small">
                <Time at={thread.last_at} />
              </span>
            </>
          )}
        />
      )}
    </Part>
  );
}

export function Alerts() {
  const fresh = alerts.value.filter(({ acked_at }) => acked_at === undefined).sort(byNeed);
  const seen = alerts.value.length - fresh.length;
  return (
    <Part title="Alerts" href="/alerts" count={alertsNew.value || undefined}>
      {alertsKnown.value ? (
        <Lines
          label="Nobody has seen these yet"
          rows={fresh}
          id={({ key }) => key}
          most={MOST}
          href="/alerts"
          none={seen === 0 ? "Nothing wants attention." : `${seen} that somebody has seen, and not over yet.`}
          line={(alert) => (
            <>
              <Mark tone={toneOf[severityOf(alert)]} word={severityOf(alert)} />
              <Link class="home-what" href={lookAt(alert)?.href ?? "/alerts"} title={alert.message}>
                {nameOf(alert)}: {alert.message}
              </Link>
              <span class="quiet small">
                <Time at={alert.raised_at} />
              </span>
            </>
          )}
        />
      ) : (
        <Loading what="the alerts" />
      )}
    </Part>
  );
}
