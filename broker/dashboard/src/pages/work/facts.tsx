/** What is known of a dispatch, beside its content. */
import { Link } from "wouter-preact";
import { Fact } from "../../ui/fact";
import { shortId } from "../../ui/format";
import { Time } from "../../ui/time";
import type { DispatchInfo, Stop } from "../../wire/frames";
import { current, spent, took } from "./words";

interface Props {
  info: DispatchInfo;
  onOpen: (id: string) => void;
}

export function Facts({ info, onOpen }: Props) {
  const money = spent(info);
  return (
    <dl class="facts">
      <Fact name="For">
        {info.invoker === info.key ? info.invoker : `${info.invoker}, on behalf of ${info.key}`}
      </Fact>
      {info.capability && <Fact name="Asked of">whoever can {info.capability.needs?.join(", ")}</Fact>}
      <Fact name="Accepted">
        <Time at={info.accepted_at} />
      </Fact>
      <Fact name={info.ended_at === undefined ? "At work" : "Took"}>{took(info, current())}</Fact>
      {info.ended_at === undefined && (
        <Fact name="Deadline">
          <Time at={info.deadline_at} />
        </Fact>
      )}
      {info.attempt > 1 && <Fact name="Attempt">{info.attempt}</Fact>}
      {money !== undefined && <Fact name="Spent">{money}</Fact>}
      {info.thread !== undefined && (
        <Fact name="Thread">
          <Link href={`/chat/${info.thread}`} class="mono">
            {shortId(info.thread)}
          </Link>
        </Fact>
      )}
      {info.retry_of !== undefined && <Other name="Again of" id={info.retry_of} onOpen={onOpen} />}
      {info.retried_as !== undefined && <Other name="Tried again as" id={info.retried_as} onOpen={onOpen} />}
      {info.earlier?.map(({ aspect, attempt, stop }) => (
        <Fact key={attempt} name="Before">
          {aspect}
          {stop && (
            <>
              {", "}
              <Stopped stop={stop} />
            </>
          )}
        </Fact>
      ))}
      {info.stop && (
        <Fact name="Worker">
          <Stopped stop={info.stop} />
        </Fact>
      )}
    </dl>
  );
}

function Stopped({ stop: { told_at, confirmed_at } }: { stop: Stop }) {
  return (
    <>
      told to stop <Time at={told_at} />
      {confirmed_at === undefined ? (
        ", and has not said yet that it did"
      ) : (
        <>
          {", and stopped "}
          <Time at={confirmed_at} />
        </>
      )}
    </>
  );
}

function Other({ name, id, onOpen }: { name: string; id: string; onOpen: (id: string) => void }) {
  return (
    <Fact name={name}>
      <button type="button" class="link mono" onClick={() => onOpen(id)}>
        {shortId(id)}
      </button>
    </Fact>
  );
}
