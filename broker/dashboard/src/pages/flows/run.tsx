/** One run: where each step stands, what it was at, what came out; it can be cancelled, and tried again from a step. */
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { useAsk, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Select } from "../../ui/choice";
import { Empty, Loading } from "../../ui/empty";
import { Fact } from "../../ui/fact";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { exact, shortId } from "../../ui/format";
import { Id } from "../../ui/id";
import { Json } from "../../ui/json";
import { Mark } from "../../ui/mark";
import { now } from "../../ui/now";
import { BesideHead } from "../../ui/split";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import { Track, TrackEnds } from "../../ui/track";
import type { RunDetail, RunStep, RunTask } from "../../wire/frames";
import { Graph } from "./graph";
import { hasEnded, took, toneOfRun, toneOfStep } from "./words";

interface Props {
  id: string;
  onClose: () => void;
  onOpen: (run: string) => void;
}

export function Run({ id, onClose, onOpen }: Props) {
  const { value, error, loading, reload } = useAsk("run.get", { run: id });
  const soon = useSoon(reload);
  useLog(() => {
    if (value === undefined || !hasEnded(value.info.state)) soon();
  });
  if (value) return <Known detail={value} onClose={onClose} onOpen={onOpen} onChanged={reload} />;
  return (
    <aside class="beside" aria-label="Run">
      {loading && <Loading what="the run" />}
      {error && <Fault what="The run could not be read" error={error} retry={reload} />}
      {error && <Empty title="It may be kept no longer.">Runs are kept as long as dispatches.</Empty>}
      <Button onClick={onClose}>Back to the list</Button>
    </aside>
  );
}

interface KnownProps {
  detail: RunDetail;
  onClose: () => void;
  onOpen: (run: string) => void;
  onChanged: () => void;
}

function Known({ detail, onClose, onOpen, onChanged }: KnownProps) {
  const { info, flow, input, output, tasks } = detail;
  const from = info.began_at ?? info.accepted_at;
  const until = info.ended_at ?? Math.max(now.value, from);
  const [asking, setAsking] = useState<"cancel" | "retry">();
  const ended = hasEnded(info.state);
  return (
    <aside class="beside" aria-label={`Run of ${info.flow}`}>
      <BesideHead
        title={info.flow}
        onClose={onClose}
        tools={
          <>
            {mayAct.value && !ended && (
              <Button kind="danger" onClick={() => setAsking("cancel")}>
                Cancel…
              </Button>
            )}
            {mayAct.value && ended && <Button onClick={() => setAsking("retry")}>Run again…</Button>}
          </>
        }
      >
        <Mark tone={toneOfRun[info.state]} word={info.state} />
        <Id id={info.id} what="run's id" />
      </BesideHead>
      {info.error && (
        <p class="flow-error">
          <code>{info.error.code}</code> {info.error.message}
        </p>
      )}
      <dl class="facts">
        <Fact name="For">{info.by}</Fact>
        <Fact name="Started">
          <Time at={info.accepted_at} />
        </Fact>
        <Fact name={ended ? "Took" : "At work"}>{took(info, now.value)}</Fact>
        <Fact name="Version">{info.version}</Fact>
        {info.groups !== undefined && info.groups.length > 0 && (
          <Fact name="Groups">{info.groups.join(", ")}</Fact>
        )}
        {info.causes !== undefined && info.causes.length > 0 && (
          <Fact name="Led to by">{info.causes.join(" ← ")}</Fact>
        )}
        {info.parent && <Other name="Step of" id={info.parent.run} onOpen={onOpen} />}
        {info.retry_of !== undefined && <Other name="Again of" id={info.retry_of} onOpen={onOpen} />}
        {info.retried_as !== undefined && <Other name="Run again as" id={info.retried_as} onOpen={onOpen} />}
      </dl>
      <Graph steps={flow.steps} states={info.steps} />
      <section class="part">
        <h3>Steps</h3>
        <ol class="run-steps">
          {info.steps.map((step) => (
            <Step
              key={step.id}
              step={step}
              from={from}
              until={until}
              tasks={tasks.filter((task) => task.step === step.id)}
              onOpen={onOpen}
            />
          ))}
        </ol>
        {info.began_at !== undefined && <TrackEnds from={from} until={until} />}
      </section>
      <section class="part">
        <h3>Input</h3>
        <Json value={input} label="Input" />
      </section>
      {output !== undefined && (
        <section class="part">
          <h3>Output</h3>
          <Json value={output} label="Output" />
        </section>
      )}
      {asking === "cancel" && (
        <Cancel detail={detail} onClose={() => setAsking(undefined)} onDone={onChanged} />
      )}
      {asking === "retry" && <Retry detail={detail} onClose={() => setAsking(undefined)} onDone={onOpen} />}
    </aside>
  );
}

interface StepProps {
  step: RunStep;
  tasks: readonly RunTask[];
  /** The whole run. */
  from: number;
  until: number;
  onOpen: (run: string) => void;
}

function Step({ step, tasks, from, until, onOpen }: StepProps) {
  const [open, setOpen] = useState(false);
  const shown = tasks.filter(({ output, work }) => output !== undefined || work !== undefined);
  // What was kept of the run before is older than this one.
  const bars = tasks
    .map(({ began_at, ended_at = until, state }) => ({
      begin: began_at,
      end: ended_at,
      tone: toneOfStep[state],
    }))
    .filter(({ end }) => end >= from)
    // What came to nothing is not hidden behind the others.
    .sort((a, b) => Number(a.tone === "failed") - Number(b.tone === "failed"));
  return (
    <li>
      <span class="run-step">
        <Mark tone={toneOfStep[step.state]} word={step.state} />
        {shown.length === 0 ? (
          <span class="mono">{step.id}</span>
        ) : (
          <button type="button" class="link mono" aria-expanded={open} onClick={() => setOpen(!open)}>
            {step.id}
          </button>
        )}
        {step.times !== 1 && <span class="quiet">{step.times}×</span>}
        {step.kept === true && <span class="quiet">kept of the run before</span>}
        {step.resumed === true && <span class="quiet">goes on from the run before</span>}
        <span class="quiet run-took">
          {step.began_at !== undefined && step.kept !== true && (
            <time class="small" dateTime={new Date(step.began_at).toISOString()} title="when it began">
              {exact(step.began_at).slice(-8)}
            </time>
          )}{" "}
          {took(step, now.value)}
        </span>
        {bars.length > 0 && <Track from={from} until={until} bars={bars} />}
      </span>
      {step.error && (
        <p class="flow-error">
          <code>{step.error.code}</code> {step.error.message}
        </p>
      )}
      {open && (
        <ol class="run-tasks">
          {shown.map((task) => (
            <li key={task.index}>
              <Task task={task} alone={step.times === 1} onOpen={onOpen} />
            </li>
          ))}
        </ol>
      )}
    </li>
  );
}

interface TaskProps {
  task: RunTask;
  alone: boolean;
  onOpen: (run: string) => void;
}

function Task({ task, alone, onOpen }: TaskProps) {
  const { work, output, index, attempt, state } = task;
  return (
    <>
      <p class="run-step">
        {!alone && (
          <>
            <Mark tone={toneOfStep[state]} word={state} />
            <span class="number">{index}</span>
          </>
        )}
        {attempt > 1 && <span class="quiet">attempt {attempt}</span>}
        {typeof work === "object" && "dispatch" in work && <Link href={`/work/${work.dispatch}`}>work</Link>}
        {typeof work === "object" && "approval" in work && (
          <Link href={`/approvals/${work.approval}`}>question</Link>
        )}
        {typeof work === "object" && "run" in work && (
          <button type="button" class="link" onClick={() => onOpen(work.run)}>
            run
          </button>
        )}
      </p>
      {output !== undefined && <Json value={output} label={`Output of ${task.step}`} />}
    </>
  );
}

interface ActProps {
  detail: RunDetail;
  onClose: () => void;
}

function Cancel({ detail: { info }, onClose, onDone }: ActProps & { onDone: () => void }) {
  const [reason, setReason] = useState("");
  const [id] = useState(() => uuidv7());
  const cancel = async () => {
    const why = reason.trim() === "" ? {} : { reason: reason.trim() };
    await link.ask("run.cancel", { run: info.id, ...why }, id);
    toast(`The run of ${info.flow} is cancelled`);
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title={`Cancel the run of ${info.flow}?`}
      action="Cancel it"
      leave="Let it go on"
      danger
      failed="The run was not cancelled"
      safe="It goes on."
      onSubmit={cancel}
      onClose={onClose}
    >
      <p>What it is at work on ends with it: dispatches, questions, runs below it.</p>
      <Field label="Reason" value={reason} onInput={setReason} hint="Shown to whoever looks at it" />
    </FormDialog>
  );
}

function Retry({ detail: { info }, onClose, onDone }: ActProps & { onDone: (run: string) => void }) {
  const [from, setFrom] = useState("");
  const [id, setId] = useState(() => uuidv7());
  const retry = async () => {
    const step = from === "" ? {} : { step: from };
    const started = await link.ask("run.retry", { run: info.id, ...step }, id);
    onClose();
    onDone(started.run);
  };
  const done = info.steps.filter(({ state }) => state === "done" || state === "skipped");
  return (
    <FormDialog
      title={`Run ${info.flow} again`}
      action="Run again"
      failed="Nothing was started"
      onSubmit={retry}
      onClose={onClose}
    >
      <p>The flow as it was then, with the same input. What was done is kept, down to single items.</p>
      <Select
        label="From"
        value={from}
        options={[
          { value: "", label: "what was not done" },
          ...done.map(({ id }) => ({ value: id, label: `${id}, and what needs it` })),
        ]}
        onChange={(from) => {
          setFrom(from);
          setId(uuidv7());
        }}
      />
    </FormDialog>
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
