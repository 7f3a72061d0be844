/** What waits for people: questions and approvals, what was said and not read, and alerts nobody has seen. */
import { Link } from "wouter-preact";
import { alerts, alertsKnown, alertsNew } from "../../state/team";
import { threads, threadsKnown, unreadThreads } from "../../state/threads";
import { Loading } from "../../ui/empty";
import { Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import type { ApprovalInfo } from "../../wire/frames";
import { byNeed, lookAt, nameOf, severityOf, toneOf } from "../alerts/words";
import { titleOf } from "../approvals/asked";
import { approvals, useApprovals } from "../approvals/use";
import { Lines, Part, Unread } from "./part";

interface Props {
  title: string;
  most: number;
}

/** What agents ask, those that end first above. */
export function useAsked(): {
  open: readonly ApprovalInfo[] | undefined;
  error: Error | undefined;
  reload: () => void;
} {
  const { known, error, reload } = useApprovals();
  const open = [...approvals.value.values()]
    .filter(({ state }) => state === "open")
    .sort((a, b) => a.expires_at - b.expires_at);
  return { open: known ? open : undefined, error, reload };
}

/** How much waits for whoever looks: what agents ask, and threads with something they have not read. */
export function useWaiting(): { count: number | undefined; error: Error | undefined; reload: () => void } {
  const { open, error, reload } = useAsked();
  const count = open && threadsKnown.value ? open.length + unreadThreads.value : undefined;
  return { count, error, reload };
}

export function Approvals({ title, most }: Props) {
  const asked = useAsked();
  return (
    <Part title={title} href="/approvals" count={asked.open?.length || undefined}>
      <Asked most={most} {...asked} />
    </Part>
  );
}

function Asked({ most, open, error, reload }: ReturnType<typeof useAsked> & { most: number }) {
  if (!open) return <Unread what="what is asked" error={error} retry={reload} />;
  return (
    <Lines
      label="What agents ask"
      rows={open}
      id={({ id }) => id}
      most={most}
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
  );
}

export function Waits({ title, most }: Props) {
  const asked = useAsked();
  const unread = threads.value.filter(({ unread = 0 }) => unread > 0);
  const count = (asked.open?.length ?? 0) + unread.length;
  return (
    <Part title={title} href="/approvals" count={count || undefined}>
      <Asked most={most} {...asked} />
      <Lines
        label="Not read yet"
        rows={unread}
        id={({ id }) => id}
        most={Math.min(most, 3)}
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
    </Part>
  );
}

export function Alerts({ title, most }: Props) {
  const fresh = alerts.value.filter(({ acked_at }) => acked_at === undefined).sort(byNeed);
  const seen = alerts.value.length - fresh.length;
  return (
    <Part title={title} href="/alerts" count={alertsNew.value || undefined}>
      {alertsKnown.value ? (
        <Lines
          label="Nobody has seen these yet"
          rows={fresh}
          id={({ key }) => key}
          most={most}
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
