/** Gathers: several dispatches taken together, and what came of each. */
import { link } from "../../link/link";
import { trail } from "../../link/trail";
import { useLoad, useLog, useSoon } from "../../link/use";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { shortId } from "../../ui/format";
import { Id } from "../../ui/id";
import { DispatchMark, Mark, type Tone } from "../../ui/mark";
import { Time } from "../../ui/time";
import type { GatherInfo } from "../../wire/frames";
import { dispatches, readOne } from "./store";

/** So many that have ended are shown. */
const ENDED_MAX = 30;

async function read(): Promise<GatherInfo[]> {
  const [open, ended] = await Promise.all([
    link.ask("gather.list", { limit: 200 }),
    trail({ kind: "gather.ended", limit: ENDED_MAX }),
  ]);
  const known = new Set(open.gathers.map((gather) => gather.id));
  const ids = [...new Set(ended.entries.map((entry) => entry.subject))].filter((id) => !known.has(id));
  // One that is kept no longer is none of ours.
  const others = await Promise.all(
    ids.map((gather) => link.ask("gather.status", { gather }).catch(() => undefined)),
  );
  const all = [...open.gathers, ...others.filter((gather) => gather !== undefined)];
  const missing = all
    .flatMap((gather) => gather.members.map((member) => member.dispatch))
    .filter((id) => !dispatches.value.has(id));
  await Promise.all(missing.slice(0, 64).map((id) => readOne(id).catch(() => undefined)));
  return all;
}

const STATES: Record<GatherInfo["state"], [Tone, string]> = {
  open: ["busy", "open"],
  met: ["online", "met"],
  failed: ["failed", "failed"],
  timed_out: ["failed", "timed out"],
  cancelled: ["failed", "cancelled"],
};

function policy({ policy, need, members }: GatherInfo): string {
  if (policy === "all") return `all ${members.length}`;
  if (policy === "first") return `the first of ${members.length}`;
  return `${need} of ${members.length}`;
}

export function Gathers({ onOpen }: { onOpen: (id: string) => void }) {
  const { value, error, loading, reload } = useLoad(read, []);
  const soon = useSoon(reload);
  useLog(({ body }) => {
    if (body.type === "dispatch_ended" || (body.type === "other" && body.kind.startsWith("gather."))) soon();
  });
  if (loading) return <Loading what="the gathers" />;
  if (!value)
    return error ? <Fault what="The gathers could not be read" error={error} retry={reload} /> : null;
  if (value.length === 0) {
    return (
      <Empty title="No gather was made yet.">
        A gather is one answer about several dispatches. Agents make one with the tool <code>gather</code>,
        programs with the request <code>gather</code>.
      </Empty>
    );
  }
  return (
    <ul class="gathers">
      {value.map((gather) => (
        <Row key={gather.id} gather={gather} onOpen={onOpen} />
      ))}
    </ul>
  );
}

function Row({ gather, onOpen }: { gather: GatherInfo; onOpen: (id: string) => void }) {
  const [tone, word] = STATES[gather.state];
  const done = gather.members.filter((member) => member.ended === "done").length;
  return (
    <li class="gather">
      <p class="gather-head">
        <Mark tone={tone} word={word} />
        <span>
          {policy(gather)} for {gather.invoker}
        </span>
        <span class="quiet">
          {done} done
          {gather.cancel_rest && ", the rest is cancelled at its end"}
        </span>
        <span class="quiet">
          {gather.ended_at === undefined ? "made " : "ended "}
          <Time at={gather.ended_at ?? gather.accepted_at} />
        </span>
        <Id id={gather.id} what="gather's id" />
      </p>
      <ol class="gather-members">
        {gather.members.map(({ dispatch, ended }) => {
          const info = dispatches.value.get(dispatch);
          const state = ended ?? info?.state;
          return (
            <li key={dispatch}>
              {state ? <DispatchMark state={state} /> : <span class="quiet">kept no longer</span>}
              <button type="button" class="link mono" onClick={() => onOpen(dispatch)}>
                {info?.hand ?? shortId(dispatch)}
              </button>
              {info?.error && <span class="quiet">{info.error.message}</span>}
            </li>
          );
        })}
      </ol>
    </li>
  );
}
