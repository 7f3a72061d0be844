/** Whose sessions, and which. */
import { Link } from "wouter-preact";
import { useAsk, useLoad, useLog, useSoon } from "../../link/use";
import { link } from "../../link/link";
import { team, teamKnown } from "../../state/team";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { bytes, shortId } from "../../ui/format";
import { AspectMark } from "../../ui/mark";
import { Time } from "../../ui/time";
import type { AspectInfo, SessionInfo } from "../../wire/frames";

export function Aspects({ chosen }: { chosen: string | undefined }) {
  if (!teamKnown.value) return <Loading what="the team" />;
  if (team.value.length === 0) {
    return (
      <Empty title="Nobody has been let in yet.">
        Each aspect keeps its own sessions. Make one with <code>agent new</code>, and let it in under
        Settings.
      </Empty>
    );
  }
  return (
    <ul class="pick" aria-label="Aspects">
      {team.value.map((aspect) => (
        <li key={aspect.name}>
          <Link
            href={`/sessions/${aspect.name}`}
            class={aspect.name === chosen ? "pick-one pick-here" : "pick-one"}
            aria-current={aspect.name === chosen ? "true" : undefined}
          >
            <span>{aspect.name}</span>
            <AspectMark state={aspect.state} bare />
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** What each session is about, as far as its thread says it. */
async function titles(sessions: readonly SessionInfo[]): Promise<Map<string, string>> {
  const threads = sessions.filter((it) => it.kind === "thread").slice(0, 50);
  const found = await Promise.all(
    threads.map((it) => link.ask("thread.get", { thread: it.session }).catch(() => undefined)),
  );
  return new Map(found.flatMap((thread) => (thread?.title === undefined ? [] : [[thread.id, thread.title]])));
}

export function Sessions({ of, chosen }: { of: AspectInfo; chosen: string | undefined }) {
  const { value, error, loading, reload } = useAsk(
    "session.list",
    of.state === "offline" ? undefined : { of: of.name, limit: 200 },
  );
  const soon = useSoon(reload, 1_000);
  useLog(({ actor, body }) => {
    if (actor === of.name && body.type === "item_closed") soon();
  });
  const named = useLoad(
    () => titles(value?.sessions ?? []),
    [of.name, value?.sessions.map((it) => it.session).join()],
  );
  // With one that is open, the page says it there.
  if (of.state === "offline") return chosen === undefined ? <Offline of={of} /> : null;
  if (error && !value) return <Fault what="The sessions could not be read" error={error} retry={reload} />;
  if (loading || !value) return <Loading what="the sessions" />;
  if (value.sessions.length === 0) {
    return (
      <Empty title={`${of.name} has no session yet.`}>
        The first begins with the first message. <Link href="/chat">Write to it in Chat.</Link>
      </Empty>
    );
  }
  return (
    <ul class="pick" aria-label={`Sessions of ${of.name}`}>
      {value.sessions.map((it) => (
        <li key={it.session}>
          <Link
            href={`/sessions/${of.name}/${it.session}`}
            class={it.session === chosen ? "pick-one pick-two pick-here" : "pick-one pick-two"}
            aria-current={it.session === chosen ? "true" : undefined}
          >
            <span class="pick-title">{titleOf(it, named.value)}</span>
            <span class="pick-about small quiet">
              {it.kind} {it.kind === "global" ? "" : shortId(it.session)} · {bytes(it.bytes)} ·{" "}
              <Time at={it.at} />
            </span>
          </Link>
        </li>
      ))}
      {value.cursor !== undefined && <li class="quiet small">Older ones are not shown.</li>}
    </ul>
  );
}

export function titleOf(
  it: Pick<SessionInfo, "session" | "kind">,
  titles: ReadonlyMap<string, string> | undefined,
): string {
  if (it.kind === "global") return "The one session";
  return titles?.get(it.session) ?? (it.kind === "fork" ? "A fork" : "A thread");
}

export function Offline({ of }: { of: AspectInfo }) {
  const kept = of.restraint?.kind === "held";
  return (
    <Empty title={`${of.name} is offline, and its sessions are read by its own process.`}>
      {kept ? (
        <p>
          It is held by {of.restraint?.by}: {of.restraint?.reason}. An admin can release it on the Team page.
        </p>
      ) : (
        <p>
          Start it with <code>agent &lt;its home&gt;</code>; this page goes on by itself. On its machine you
          can read them without it: <code>agent session list &lt;its home&gt;</code>.
        </p>
      )}
      <p>Nothing is lost: they are files in its home.</p>
    </Empty>
  );
}
