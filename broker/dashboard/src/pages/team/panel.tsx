/** One aspect: what it is, what it offers, its sessions, what it is doing now, and what holds it back. */
import { useState } from "preact/hooks";
import { Link as Anchor, useLocation } from "wouter-preact";
import { link } from "../../link/link";
import { useAsk } from "../../link/use";
import { mayAct, mayAdmin } from "../../state/session";
import { aspectOf, readTeam, teamKnown } from "../../state/team";
import { turns } from "../../state/turns";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Empty } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";
import { bytes } from "../../ui/format";
import { AspectMark, Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import { TurnParts } from "../../ui/turn";
import type { AspectInfo, HandSpec, RestraintKind } from "../../wire/frames";
import { Doing } from "./doing";

export function Panel({ name, cost }: { name: string; cost: string }) {
  const [, go] = useLocation();
  const aspect = aspectOf(name);
  const close = () => go("/team");
  return (
    <aside class="panel" aria-label={name} onKeyDown={(event) => event.key === "Escape" && close()}>
      <header class="panel-head">
        <h2>{name}</h2>
        {aspect && <AspectMark state={aspect.state} />}
        <Button kind="quiet" label="Close" title="Escape" onClick={close}>
          ✕
        </Button>
      </header>
      {aspect ? (
        <About aspect={aspect} cost={cost} />
      ) : (
        teamKnown.value && <Empty title={`There is no aspect ${name} here.`} />
      )}
    </aside>
  );
}

function About({ aspect, cost }: { aspect: AspectInfo; cost: string }) {
  return (
    <>
      <dl class="panel-facts">
        <dt>Does</dt>
        <dd>
          <Doing aspect={aspect} />
        </dd>
        <dt>State</dt>
        <dd>
          since <Time at={aspect.since} />
        </dd>
        <dt>Model</dt>
        <dd>
          <code>{aspect.model}</code> <span class="quiet">by {aspect.provider}</span>
        </dd>
        <dt>Today</dt>
        <dd class="number">{cost}</dd>
        <dt>Work</dt>
        <dd>
          <span class="number">
            {aspect.activity?.dispatches ?? 0} of {aspect.slots}
          </span>{" "}
          places, <span class="number">{aspect.backlog}</span> in its inbox
        </dd>
        {aspect.role === "frame" && (
          <>
            <dt>Role</dt>
            <dd>lead: gets what is addressed to nobody</dd>
          </>
        )}
      </dl>
      <Restraint aspect={aspect} />
      <Live name={aspect.name} />
      <section>
        <h3>Hands</h3>
        {aspect.hands.length === 0 && (
          <p class="quiet">None of its own. It takes work for itself, as every aspect does.</p>
        )}
        <ul class="hands">
          {aspect.hands.map((hand) => (
            <Hand key={hand.name} aspect={aspect.name} hand={hand} />
          ))}
        </ul>
      </section>
      <Sessions aspect={aspect} />
    </>
  );
}

function Hand({ aspect, hand }: { aspect: string; hand: HandSpec }) {
  return (
    <li>
      <code>
        {aspect}/{hand.name}
      </code>
      {hand.description !== undefined && hand.description !== "" && (
        <span class="quiet"> {hand.description}</span>
      )}
      {(hand.capabilities?.length ?? 0) > 0 && (
        <span class="quiet small"> · {hand.capabilities?.join(", ")}</span>
      )}
    </li>
  );
}

function Sessions({ aspect }: { aspect: AspectInfo }) {
  const offline = aspect.state === "offline";
  const { value, error, reload } = useAsk(
    "session.list",
    offline ? undefined : { of: aspect.name, limit: 6 },
  );
  return (
    <section>
      <h3>Sessions</h3>
      {offline && <p class="quiet">They are files of its home and can be read while it is online.</p>}
      {error && <Fault what="They could not be read" error={error} retry={reload} />}
      {value?.sessions.length === 0 && <p class="quiet">None yet.</p>}
      <ul class="panel-sessions">
        {value?.sessions.map((session) => (
          <li key={session.session}>
            <Anchor href={`/sessions/${aspect.name}/${session.session}`} class="mono">
              {session.kind === "global" ? "global" : session.session.slice(-8)}
            </Anchor>
            <span class="quiet small">
              {session.kind}, {bytes(session.bytes)}, <Time at={session.at} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The turns it is in; of those that ended, the last. */
function Live({ name }: { name: string }) {
  const all = [...turns.value.values()].filter((it) => it.aspect === name);
  const live = all.filter((it) => !it.ended);
  const shown = live.length > 0 ? live : all.slice(-1);
  if (shown.length === 0) return null;
  const stop = (turn: string) =>
    link
      .ask("turn.cancel", { of: name, turn, reason: "stopped in the dashboard" })
      .then(() => toast(`${name} is told to stop`));
  return (
    <section aria-label="What it streams">
      {shown.map((turn) => (
        <div key={turn.turn} class="panel-turn">
          <h3 class="panel-turn-head">
            {turn.ended ? `Last turn: ${turn.ended.decision}` : "Now"}
            {turn.thread !== undefined && <Anchor href={`/chat/${turn.thread}`}>thread</Anchor>}
            {turn.dispatch !== undefined && <Anchor href={`/work/${turn.dispatch}`}>dispatch</Anchor>}
            {!turn.ended && mayAct.value && (
              <Button kind="quiet" onClick={() => stop(turn.turn)}>
                Stop
              </Button>
            )}
          </h3>
          <div class="panel-stream" tabIndex={0} role="group" aria-label={`What ${name} streams`}>
            <TurnParts turn={turn} />
          </div>
        </div>
      ))}
    </section>
  );
}

const WORDS: Record<RestraintKind, { act: string; does: string }> = {
  held: {
    act: "Hold off",
    does: "Its link is closed and it is not let in until you release it. What it works on is lost to it at once, and tried again where that is safe.",
  },
  paused: {
    act: "Pause",
    does: "It stays connected and may finish what it has; it is given nothing new until you release it.",
  },
};

function Restraint({ aspect }: { aspect: AspectInfo }) {
  const [asked, setAsked] = useState<RestraintKind>();
  const [reason, setReason] = useState("");
  const { name, restraint } = aspect;
  if (!mayAdmin.value && !restraint) return null;
  const restrain = async (kind: RestraintKind) => {
    await link.ask("aspect.restrain", { name, kind, reason });
    setAsked(undefined);
    setReason("");
    await readTeam();
  };
  const release = async () => {
    await link.ask("aspect.release", { name });
    await readTeam();
  };
  return (
    <section class="restraint" aria-label="Restraint">
      {restraint && (
        <p>
          <Mark tone="deaf" word={restraint.kind} /> by {restraint.by.replace(/^operator\//, "")}{" "}
          <Time at={restraint.at} />: {restraint.reason}
        </p>
      )}
      {mayAdmin.value && (
        <div class="page-actions">
          {restraint ? (
            <Button onClick={release}>Release</Button>
          ) : (
            <>
              <Button onClick={() => setAsked("paused")}>Pause</Button>
              <Button kind="danger" onClick={() => setAsked("held")}>
                Hold off
              </Button>
            </>
          )}
        </div>
      )}
      {asked && (
        <Dialog
          title={`${WORDS[asked].act}: ${name}`}
          onClose={() => setAsked(undefined)}
          actions={
            <>
              <Button onClick={() => setAsked(undefined)}>Cancel</Button>
              <Button kind="danger" disabled={reason.trim() === ""} onClick={() => restrain(asked)}>
                {WORDS[asked].act}
              </Button>
            </>
          }
        >
          <p>{WORDS[asked].does}</p>
          <Field label="Why, for whoever looks later" value={reason} onInput={setReason} maxLength={200} />
        </Dialog>
      )}
    </section>
  );
}
