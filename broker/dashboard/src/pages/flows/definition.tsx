/** A flow: its steps, drawn and in words; and a way to run it. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { asError, useAsk, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Area } from "../../ui/choice";
import { Confirm } from "../../ui/dialog";
import { Empty, Loading } from "../../ui/empty";
import { Fact } from "../../ui/fact";
import { Fault } from "../../ui/fault";
import { FormDialog } from "../../ui/form";
import { Json } from "../../ui/json";
import { BesideHead } from "../../ui/split";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { FlowInfo } from "../../wire/frames";
import { Graph } from "./graph";
import { does } from "./words";

interface Props {
  id: string;
  onClose: () => void;
  onRun: (run: string) => void;
}

export function Definition({ id, onClose, onRun }: Props) {
  const { value, error, loading, reload } = useAsk("flow.get", { flow: id });
  const soon = useSoon(reload);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind.startsWith("flow.")) soon();
  });
  if (value) return <Known info={value} onClose={onClose} onRun={onRun} />;
  return (
    <aside class="beside" aria-label="Flow">
      {loading && <Loading what="the flow" />}
      {error && <Fault what="The flow could not be read" error={error} retry={reload} />}
      {error && <Empty title={`${id} may have been deleted.`}>Its runs are still there.</Empty>}
      <Button onClick={onClose}>Back to the list</Button>
    </aside>
  );
}

function Known({ info, onClose, onRun }: { info: FlowInfo } & Omit<Props, "id">) {
  const { flow, version, by, at } = info;
  const [asking, setAsking] = useState<"run" | "delete">();
  const remove = async () => {
    await link.ask("flow.delete", { flow: flow.id });
    toast(`${flow.id} is deleted`);
    onClose();
  };
  return (
    <aside class="beside" aria-label={`Flow ${flow.id}`}>
      <BesideHead
        title={flow.id}
        onClose={onClose}
        tools={
          mayAct.value && (
            <>
              <Button kind="primary" onClick={() => setAsking("run")}>
                Run…
              </Button>
              <Button kind="danger" onClick={() => setAsking("delete")}>
                Delete…
              </Button>
            </>
          )
        }
      />
      {flow.description !== undefined && flow.description !== "" && <p>{flow.description}</p>}
      <dl class="facts">
        <Fact name="Version">
          {version}, <Time at={at} />
        </Fact>
        <Fact name="By">{by}</Fact>
      </dl>
      <Graph steps={flow.steps} />
      <section class="part">
        <h3>Steps</h3>
        <ol class="flow-steps">
          {flow.steps.map((step) => {
            const { kind, what } = does(step);
            return (
              <li key={step.id}>
                <span class="mono">{step.id}</span>
                <span>{kind}</span>
                {step.for_each !== undefined && <span class="quiet">for each of {step.for_each}</span>}
                {step.if !== undefined && <span class="quiet">if {step.if}</span>}
                {what !== "" && <span class="flow-what quiet">{what}</span>}
              </li>
            );
          })}
        </ol>
      </section>
      <section class="part">
        <h3>Definition</h3>
        <Json value={flow} label="Definition" />
      </section>
      {asking === "run" && <Start info={info} onClose={() => setAsking(undefined)} onRun={onRun} />}
      {asking === "delete" && (
        <Confirm
          title={`Delete ${flow.id}?`}
          action="Delete"
          onConfirm={remove}
          onClose={() => setAsking(undefined)}
        >
          <p>It can be started no more. Runs that have begun go on.</p>
        </Confirm>
      )}
    </aside>
  );
}

interface StartProps {
  info: FlowInfo;
  onClose: () => void;
  onRun: (run: string) => void;
}

function Start({ info: { flow }, onClose, onRun }: StartProps) {
  const [text, setText] = useState("{}");
  const [id, setId] = useState(() => uuidv7());
  const start = async () => {
    let input: Record<string, unknown>;
    try {
      // Whether it is what the flow takes, the broker says.
      input = JSON.parse(text) as Record<string, unknown>;
    } catch (error) {
      throw new Error(`the input is no JSON: ${asError(error).message}`, { cause: error });
    }
    const started = await link.ask("run.start", { flow: flow.id, input }, id);
    onClose();
    onRun(started.run);
  };
  return (
    <FormDialog
      title={`Run ${flow.id}`}
      action="Run"
      failed="Nothing was started"
      onSubmit={start}
      onClose={onClose}
    >
      <Area
        label="Input (JSON)"
        rows={6}
        value={text}
        onInput={(text) => {
          setText(text);
          setId(uuidv7());
        }}
        hint="It runs with your rights."
      />
      {flow.input !== undefined && (
        <section class="part">
          <h3>What it takes</h3>
          <Json value={flow.input} label="Schema of the input" />
        </section>
      )}
    </FormDialog>
  );
}
