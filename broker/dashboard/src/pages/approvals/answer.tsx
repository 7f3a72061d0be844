/** One thing that is asked, whole, and the answer to it. */
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { mayAct, me, myParty } from "../../state/session";
import { Button } from "../../ui/button";
import { Diff } from "../../ui/diff";
import { Fact } from "../../ui/fact";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { count, exact, money, shortId } from "../../ui/format";
import { Id } from "../../ui/id";
import { Block } from "../../ui/json";
import { Kbd } from "../../ui/kbd";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { ApprovalInfo, Trigger } from "../../wire/frames";
import { act, when } from "../triggers/words";
import { type Wanted, changeOf, commandOf, titleOf, tooLate } from "./asked";
import { ApprovalMark } from "./mark";
import { put } from "./use";

export type Verdict = "approve" | "deny" | "answer";
const STATES: Record<Verdict, Wanted> = { approve: "approved", deny: "denied", answer: "answered" };

/** Gives the answer; says so if somebody was first. */
export async function give(info: ApprovalInfo, verdict: Verdict, text: string, id: string): Promise<void> {
  const said = text.trim();
  const payload = { approval: info.id, verdict, ...(said === "" ? {} : { text: said }) };
  const now = await link.ask("approval.answer", payload, id);
  put(now);
  const late = tooLate(now, STATES[verdict], myParty.value, said);
  if (late === undefined) toast(`${info.aspect} is told: ${STATES[verdict]}`);
  else toast(late, "deaf");
}

interface Props {
  info: ApprovalInfo;
  /** The verdict a key asked for; it wants a confirmation. */
  asking: Verdict | undefined;
  onAsk: (verdict: Verdict | undefined) => void;
  onClose: () => void;
}

export function Asked({ info, asking, onAsk, onClose }: Props) {
  const { asked } = info;
  return (
    <article class="asked beside" aria-label={titleOf(info)}>
      <header class="asked-head">
        <h2>{titleOf(info)}</h2>
        <Button kind="quiet" class="asked-close" label="Close" title="Close (Escape)" onClick={onClose}>
          ✕
        </Button>
      </header>
      <p class="asked-facts">
        <ApprovalMark state={info.state} />
        <span>
          {info.aspect} {asked.type === "tool" ? "wants to use" : "asks"}{" "}
          {asked.type === "tool" && <code>{asked.tool}</code>}
        </span>
        <span class="quiet">
          asked <Time at={info.asked_at} />
        </span>
        {info.state === "open" && (
          <span class="quiet">
            {asked.type === "tool" ? "denied" : "given up"} by itself <Time at={info.expires_at} />
          </span>
        )}
        {info.thread !== undefined && (
          <span>
            in <Link href={`/chat/${info.thread}`}>thread {shortId(info.thread)}</Link>
          </span>
        )}
        {info.lease && (
          <span>
            for <Link href={`/work/${info.lease.dispatch}`}>dispatch {shortId(info.lease.dispatch)}</Link>
          </span>
        )}
        <Id id={info.id} what="approval's id" />
      </p>
      {info.state !== "open" && <Ended info={info} />}
      {info.trigger && <Proposed trigger={info.trigger} />}
      {info.trigger && info.state === "open" && (
        <p class="quiet">Whoever approves it owns this trigger, as if they had defined it themselves.</p>
      )}
      {asked.type === "tool" && <Tool tool={asked.tool} text={asked.arguments ?? ""} />}
      {info.state === "open" && <Answers info={info} onAsk={onAsk} />}
      {asking && info.state === "open" && (
        <Sure info={info} verdict={asking} onClose={() => onAsk(undefined)} />
      )}
    </article>
  );
}

/** What of a definition is numbers for machines, in words. */
function Proposed({ trigger }: { trigger: Trigger }) {
  const { budget, expires_at, when: times } = trigger;
  const most = [
    ...(budget?.tokens === undefined ? [] : [`${count(budget.tokens)} tokens`]),
    ...(budget?.cost_microusd === undefined ? [] : [money(budget.cost_microusd)]),
  ];
  return (
    <dl class="facts">
      <Fact name="When">{typeof times === "object" && "at" in times ? exact(times.at) : when(trigger)}</Fact>
      <Fact name="Sets to work">{act(trigger).who}</Fact>
      {most.length > 0 && <Fact name="May spend each time">{most.join(", ")}</Fact>}
      {expires_at !== undefined && <Fact name="Ends">{exact(expires_at)}</Fact>}
    </dl>
  );
}

function Ended({ info }: { info: ApprovalInfo }) {
  return (
    <p class="asked-ended">
      {info.state === "expired" ? "Nobody answered in time" : `It was ${info.state}`}
      {info.by !== undefined && <> by {info.by === myParty.value ? `you (${info.by})` : info.by}</>}
      {info.ended_at !== undefined && (
        <>
          {" "}
          <Time at={info.ended_at} />
        </>
      )}
      {info.text !== undefined && <>: “{info.text}”</>}
    </p>
  );
}

function Tool({ tool, text }: { tool: string; text: string }) {
  const change = changeOf(tool, text);
  const command = commandOf(tool, text);
  return (
    <>
      {change && (
        <section class="asked-part">
          <h3>
            What changes in <code>{change.path}</code>
          </h3>
          {change.diff === "" ? (
            <p class="quiet">Nothing.</p>
          ) : (
            <Diff text={change.diff} label="What would change" />
          )}
        </section>
      )}
      {command !== undefined && (
        <section class="asked-part">
          <h3>The command</h3>
          <Block text={command} label="The command" />
        </section>
      )}
      <section class="asked-part">
        <h3>All that {tool} would get</h3>
        <Block text={text === "" ? "nothing" : text} label="The arguments, whole" />
      </section>
    </>
  );
}

function Answers({ info, onAsk }: { info: ApprovalInfo; onAsk: (verdict: Verdict) => void }) {
  if (!mayAct.value) {
    return <p class="quiet">You are a {me.value?.role ?? "viewer"}: an operator or an admin can answer.</p>;
  }
  if (info.asked.type === "question")
    return <Question info={info} choices={info.asked.choices ?? []} onDeny={() => onAsk("deny")} />;
  return (
    <div class="asked-answers">
      <Button kind="primary" onClick={() => onAsk("approve")}>
        Approve… <Kbd keys="a" />
      </Button>
      <Button kind="danger" onClick={() => onAsk("deny")}>
        Deny… <Kbd keys="d" />
      </Button>
    </div>
  );
}

interface QuestionProps {
  info: ApprovalInfo;
  choices: readonly string[];
  onDeny: () => void;
}

function Question({ info, choices, onDeny }: QuestionProps) {
  const [text, setText] = useState("");
  const [error, setError] = useState<Error>();
  const [id, setId] = useState(() => uuidv7());
  useEffect(() => {
    setText("");
    setError(undefined);
  }, [info.id]);
  const say = async (text: string) => {
    if (text.trim() === "") throw new Error("an answer needs a word");
    await give(info, "answer", text, id);
  };
  return (
    <form
      class="asked-question"
      onSubmit={(event) => {
        event.preventDefault();
        say(text).catch((error: unknown) =>
          setError(error instanceof Error ? error : new Error(String(error))),
        );
      }}
    >
      {choices.length > 0 && (
        <div class="asked-choices" role="group" aria-label="Answers that suggest themselves">
          {choices.map((choice) => (
            <Button key={choice} onClick={() => say(choice)} onError={setError}>
              {choice}
            </Button>
          ))}
        </div>
      )}
      <Field
        label={choices.length > 0 ? "Or in your own words" : "Your answer"}
        value={text}
        onInput={(text) => {
          setText(text);
          setId(uuidv7());
        }}
      />
      <div class="asked-answers">
        <Button kind="primary" type="submit">
          Answer
        </Button>
        <Button kind="danger" onClick={onDeny}>
          Nobody will answer… <Kbd keys="d" />
        </Button>
      </div>
      {error && <Fault what="It was not answered" error={error} safe={`${info.aspect} still waits.`} />}
    </form>
  );
}

interface SureProps {
  info: ApprovalInfo;
  verdict: Verdict;
  onClose: () => void;
}

/** What is asked before it is answered, and what follows from it. */
function meaning(
  { aspect, asked, trigger }: ApprovalInfo,
  approve: boolean,
): { title: string; then: string } {
  if (!approve) {
    const title = asked.type === "question" ? "Leave this unanswered for good?" : "Do not let it do this?";
    return { title, then: `${aspect} is told that it may not, and goes on without.` };
  }
  if (trigger) {
    const then = `It sets to work from now on, as you, until you pause or delete it. ${aspect} goes on at once.`;
    return { title: `Make the trigger ${trigger.name} yours?`, then };
  }
  const then = `It goes for this one call with these arguments. ${aspect} goes on at once.`;
  return { title: "Let it do this once?", then };
}

function Sure({ info, verdict, onClose }: SureProps) {
  const [text, setText] = useState("");
  const [id] = useState(() => uuidv7());
  const approve = verdict === "approve";
  const { title, then } = meaning(info, approve);
  return (
    <FormDialog
      title={title}
      action={approve ? "Approve" : "Deny"}
      leave="Back"
      danger={!approve}
      failed="It was not answered"
      safe={`${info.aspect} still waits.`}
      onSubmit={() => give(info, verdict, text, id).then(onClose)}
      onClose={onClose}
    >
      <p class="asked-title">{titleOf(info)}</p>
      <p class="quiet">{then}</p>
      <Field label="A word for the model (may be left out)" value={text} onInput={setText} autofocus />
    </FormDialog>
  );
}
