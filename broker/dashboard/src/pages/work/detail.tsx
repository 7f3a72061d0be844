/** One dispatch: where it stands, what it is part of, what went in and came out; and what can be done about it. */
import { useEffect, useState } from "preact/hooks";
import { useAsk, useLoad, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { exact } from "../../ui/format";
import { Id } from "../../ui/id";
import { Json } from "../../ui/json";
import { DispatchMark } from "../../ui/mark";
import { Time } from "../../ui/time";
import type { DispatchInfo } from "../../wire/frames";
import { Cancel, Receipt, Retry, type Stopped } from "./actions";
import { Facts } from "./facts";
import { dispatches, notes, readOne, readStepsOf, readTree, steps } from "./store";
import { hasEnded, inWords, rowOf } from "./steps";
import { DispatchTree } from "./tree";
import { span, waits } from "./words";
import { Why } from "./why";

interface Props {
  id: string;
  onOpen: (id: string) => void;
  onClose: () => void;
}

export function Detail({ id, onOpen, onClose }: Props) {
  const { value: info, error, reload } = useLoad(() => readOne(id), [id]);
  const soon = useSoon(reload);
  useLog((entry) => {
    if (rowOf(entry)?.subject === id) soon();
  });
  useEffect(() => {
    readStepsOf(id).catch(() => undefined);
  }, [id]);
  useEffect(() => {
    // Why it waits changes without an entry of the log that is about it.
    if (info?.state !== "pending") return undefined;
    const timer = setInterval(reload, 3_000);
    return () => clearInterval(timer);
  }, [info?.state]);
  if (error && !info) {
    return (
      <aside class="detail" aria-label="Dispatch">
        <Fault what="This dispatch could not be read" error={error} retry={reload} />
        <Button onClick={onClose}>Back to the list</Button>
      </aside>
    );
  }
  if (!info) {
    return (
      <aside class="detail" aria-label="Dispatch">
        <Loading what="the dispatch" />
      </aside>
    );
  }
  return <Known info={info} onOpen={onOpen} onClose={onClose} />;
}

interface KnownProps {
  info: DispatchInfo;
  onOpen: (id: string) => void;
  onClose: () => void;
}

function Known({ info, onOpen, onClose }: KnownProps) {
  const [asking, setAsking] = useState<"cancel" | "retry">();
  const [stopped, setStopped] = useState<Stopped>();
  useEffect(() => setStopped(undefined), [info.id]);
  const note = notes.value.get(info.id);
  const mayRetry = info.state === "failed" || info.state === "timed_out";
  const reason = waits(info);
  return (
    <aside class="detail" aria-label={`Dispatch to ${info.hand}`}>
      <header class="detail-head">
        <h2 class="mono">{info.hand}</h2>
        <DispatchMark state={info.state} />
        <Id id={info.id} what="dispatch's id" />
        <span class="detail-tools">
          {mayAct.value && !hasEnded(info.state) && (
            <Button kind="danger" onClick={() => setAsking("cancel")}>
              Cancel…
            </Button>
          )}
          {mayAct.value && mayRetry && <Button onClick={() => setAsking("retry")}>Retry…</Button>}
          <Button kind="quiet" label="Close" title="Close (Escape)" onClick={onClose}>
            ✕
          </Button>
        </span>
      </header>
      {reason !== undefined && info.state === "pending" && <p>It waits {reason}.</p>}
      {note !== undefined && !hasEnded(info.state) && <p class="detail-note">{note}</p>}
      {info.error && (
        <p class="detail-error">
          <code>{info.error.code}</code> {info.error.message}
        </p>
      )}
      {stopped && <Receipt stopped={stopped} onOpen={onOpen} />}
      <Facts info={info} onOpen={onOpen} />
      <Tree info={info} onOpen={onOpen} />
      {info.why && info.why.length > 0 && <Why why={info.why} />}
      <Input info={info} />
      {info.output !== undefined && (
        <section class="part">
          <h3>Output</h3>
          <Json value={info.output} label="Output" />
        </section>
      )}
      <StepList info={info} />
      {asking === "cancel" && <Cancel info={info} onClose={() => setAsking(undefined)} onDone={setStopped} />}
      {asking === "retry" && <Retry info={info} onClose={() => setAsking(undefined)} onDone={onOpen} />}
    </aside>
  );
}

function Tree({ info, onOpen }: { info: DispatchInfo; onOpen: (id: string) => void }) {
  const { error, reload } = useLoad(() => readTree(info.root), [info.root]);
  const members = [...dispatches.value.values()].filter((it) => it.root === info.root);
  if (error) return <Fault what="The tree could not be read" error={error} retry={reload} />;
  if (members.length < 2) return null;
  return (
    <section class="part">
      <h3>
        Tree <span class="quiet number">{members.length}</span>
      </h3>
      <DispatchTree members={members} chosen={info.id} onOpen={onOpen} />
    </section>
  );
}

function Input({ info }: { info: DispatchInfo }) {
  const [wanted, setWanted] = useState(false);
  const asked = useAsk("dispatch.status", wanted ? { dispatch: info.id, without_output: true } : undefined);
  useEffect(() => setWanted(false), [info.id]);
  const input: unknown = asked.value?.input ?? info.input;
  return (
    <section class="part">
      <h3>Input</h3>
      {info.input_left_out === true && !asked.value ? (
        <>
          <p class="quiet">With the output it is larger than one answer may be.</p>
          <Button onClick={() => setWanted(true)}>Show it</Button>
          {asked.error && (
            <Fault what="The input could not be read" error={asked.error} retry={asked.reload} />
          )}
        </>
      ) : (
        <Json value={input} label="Input" />
      )}
    </section>
  );
}

function StepList({ info }: { info: DispatchInfo }) {
  const known = steps.value.get(info.id) ?? [];
  return (
    <section class="part">
      <h3>Steps</h3>
      {known.length === 0 ? (
        <Empty title="The log keeps no step of it any more." />
      ) : (
        <ol class="steps">
          {known.map((step, at) => {
            const before = known[at - 1];
            return (
              <li key={step.seq}>
                <span class="number quiet" title={exact(step.at)}>
                  {before ? `+${span(step.at - before.at)}` : <Time at={step.at} />}
                </span>
                <span>
                  {inWords(known, at)}
                  {step.kind === "ended" && ` ${info.state.replace("_", " ")}`}
                  {step.actor.startsWith("operator/") && <span class="quiet"> by {step.actor}</span>}
                </span>
              </li>
            );
          })}
          {!hasEnded(info.state) && (
            <li class="quiet">
              <span />
              <span>
                its deadline is <Time at={info.deadline_at} />
              </span>
            </li>
          )}
        </ol>
      )}
    </section>
  );
}
