/** One trigger: its definition, when it is due next, and what became of each time; and what can be done with it. */
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { useAsk, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { Empty, Loading } from "../../ui/empty";
import { Fact } from "../../ui/fact";
import { Fault } from "../../ui/fault";
import { exact, shortId } from "../../ui/format";
import { Json } from "../../ui/json";
import { Mark } from "../../ui/mark";
import { BesideHead } from "../../ui/split";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { TriggerInfo, TriggerSlot } from "../../wire/frames";
import { TriggerForm } from "./form/dialog";
import { bringsItsSecret } from "./form/form";
import { Rotate } from "./form/rotate";
import { about, act, because, toneOfSlot, toneOfStatus, when } from "./words";

const TIMES = 5;
const HISTORY = 50;

interface Props {
  name: string;
  info: TriggerInfo | undefined;
  /** Of all triggers. */
  names: readonly string[];
  onChanged: () => void;
  onClose: () => void;
}

export function Detail({ name, info, names, onChanged, onClose }: Props) {
  if (info) return <Known info={info} names={names} onChanged={onChanged} onClose={onClose} />;
  return (
    <aside class="beside" aria-label="Trigger">
      <Empty title={`There is no trigger ${name}.`}>It was deleted, or never made.</Empty>
      <Button onClick={onClose}>Back to the list</Button>
    </aside>
  );
}

interface KnownProps {
  info: TriggerInfo;
  names: readonly string[];
  onChanged: () => void;
  onClose: () => void;
}

function Known({ info, names, onChanged, onClose }: KnownProps) {
  const { definition, status, reason } = info;
  const [asking, setAsking] = useState<"change" | "fire" | "rotate" | "delete">();
  const trigger = definition.name;
  const isOurSecret =
    typeof definition.when === "object" &&
    "webhook" in definition.when &&
    !bringsItsSecret(definition.when.webhook.preset ?? "generic");
  const done = (what: string) => {
    toast(what);
    onChanged();
  };
  const attempt = (what: Promise<unknown>, then: string) => {
    what.then(
      () => done(then),
      (error: unknown) => toast(`${trigger}: ${String(error)}`, "failed"),
    );
  };
  return (
    <aside class="beside" aria-label={`Trigger ${trigger}`}>
      <BesideHead
        title={trigger}
        onClose={onClose}
        tools={
          mayAct.value && (
            <>
              <Button onClick={() => setAsking("fire")}>Fire now…</Button>
              <Button onClick={() => setAsking("change")}>Change…</Button>
              {isOurSecret && <Button onClick={() => setAsking("rotate")}>New secret…</Button>}
              {status === "active" && (
                <Button
                  onClick={() => attempt(link.ask("trigger.pause", { trigger }), `${trigger} is paused`)}
                >
                  Pause
                </Button>
              )}
              {status === "paused" && (
                <Button
                  onClick={() => attempt(link.ask("trigger.resume", { trigger }), `${trigger} goes on`)}
                >
                  Resume
                </Button>
              )}
              <Button kind="danger" onClick={() => setAsking("delete")}>
                Delete…
              </Button>
            </>
          )
        }
      >
        <Mark tone={toneOfStatus[status]} word={status} />
      </BesideHead>
      {reason !== undefined && status !== "active" && <p class="trigger-reason">{reason}</p>}
      {definition.description !== undefined && definition.description !== "" && (
        <p>{definition.description}</p>
      )}
      <dl class="facts">
        <Fact name="When">{when(definition)}</Fact>
        <Fact name="Sets to work">
          <span class="mono">{act(definition).who}</span>
        </Fact>
        <Fact name="As">{info.owner}</Fact>
        <Fact name="Defined">
          <Time at={info.defined_at} />
        </Fact>
        {info.hook !== undefined && (
          <Fact name="Webhook">
            <span class="mono">{info.hook.path}</span>
            {info.hook.secret_since === undefined && " · it has no secret yet"}
          </Fact>
        )}
        {info.watcher !== undefined && (
          <Fact name="Files">
            {info.watcher.state.replace("_", " ")}
            {info.watcher.reason !== undefined && ` · ${info.watcher.reason}`}
          </Fact>
        )}
        {info.thread !== undefined && (
          <Fact name="Thread">
            <Link href={`/chat/${info.thread}`} class="mono">
              {shortId(info.thread)}
            </Link>
          </Fact>
        )}
      </dl>
      <Next info={info} />
      <History info={info} />
      <section class="part">
        <h3>Definition</h3>
        <Json value={definition} label="Definition" />
      </section>
      {asking === "change" && (
        <TriggerForm of={info} names={names} onClose={() => setAsking(undefined)} onSet={onChanged} />
      )}
      {asking === "rotate" && info.hook && (
        <Rotate trigger={trigger} hook={info.hook} onClose={() => setAsking(undefined)} />
      )}
      {asking === "fire" && (
        <Confirm
          title={`Fire ${trigger} now?`}
          action="Fire"
          danger={false}
          onConfirm={() => {
            attempt(link.ask("trigger.fire", { trigger }, uuidv7()), `${trigger} was fired`);
            return Promise.resolve();
          }}
          onClose={() => setAsking(undefined)}
        >
          <p>
            It sets {act(definition).who} to work as {info.owner}, beside its schedule.
          </p>
        </Confirm>
      )}
      {asking === "delete" && (
        <Confirm
          title={`Delete ${trigger}?`}
          action="Delete"
          onConfirm={() => {
            attempt(link.ask("trigger.delete", { trigger }), `${trigger} is deleted`);
            onClose();
            return Promise.resolve();
          }}
          onClose={() => setAsking(undefined)}
        >
          <p>Its history goes with it. Work that is under way goes on.</p>
        </Confirm>
      )}
    </aside>
  );
}

function Next({ info: { definition, next, status } }: { info: TriggerInfo }) {
  const { value, error, reload } = useAsk("trigger.next", { trigger: definition.name, limit: TIMES });
  const [of, setOf] = useState([next, status].join());
  // Its times move on by themselves.
  if (of !== [next, status].join()) {
    setOf([next, status].join());
    reload();
  }
  return (
    <section class="part">
      <h3>Next</h3>
      {error && !value && <Fault what="The plan could not be read" error={error} retry={reload} />}
      {value?.note !== undefined && <p class="quiet">{value.note}</p>}
      {value && value.slots.length > 0 && (
        <ol class="trigger-next">
          {value.slots.map(({ slot, due }) => (
            <li key={slot}>
              <span class="number">{exact(due)}</span> <Time at={due} />
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function History({ info }: { info: TriggerInfo }) {
  const trigger = info.definition.name;
  const { value, error, loading, reload } = useAsk("trigger.history", { trigger, limit: HISTORY });
  const soon = useSoon(reload);
  useLog(() => soon());
  return (
    <section class="part">
      <h3>
        History <span class="quiet number">{info.slots}</span>
      </h3>
      {error && !value && <Fault what="The history could not be read" error={error} retry={reload} />}
      {loading && <Loading what="the history" />}
      {value?.slots.length === 0 && <p class="quiet">It has not been due yet.</p>}
      <ol class="slots">
        {value?.slots.map((slot) => (
          <Slot key={slot.no} slot={slot} thread={info.thread} />
        ))}
      </ol>
    </section>
  );
}

function Slot({ slot, thread }: { slot: TriggerSlot; thread: string | undefined }) {
  const { no, state, work } = slot;
  return (
    <li>
      <Mark tone={toneOfSlot[state]} word={state} />
      <span class="number" title={`slot ${no}`}>
        {exact(slot.slot)}
        {slot.until !== undefined && ` to ${exact(slot.until)}`}
      </span>
      <span class="quiet">{because(slot.cause)}</span>
      {work && "dispatch" in work && <Link href={`/work/${work.dispatch}`}>work</Link>}
      {work && "run" in work && <Link href={`/flows/${work.run}`}>run</Link>}
      {work && "message" in work && thread !== undefined && (
        <Link href={`/chat/${thread}`}>conversation</Link>
      )}
      {about(slot) !== "" && <span class="slot-about">{about(slot)}</span>}
    </li>
  );
}
