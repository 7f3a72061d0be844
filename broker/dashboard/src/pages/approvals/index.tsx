/** Approvals: what agents ask people for, and what they were told. */
import { useEffect, useState } from "preact/hooks";
import { Link, useLocation, useSearch } from "wouter-preact";
import { asError } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/page";
import { Split } from "../../ui/split";
import { Tabs } from "../../ui/tabs";
import { Time } from "../../ui/time";
import type { ApprovalInfo } from "../../wire/frames";
import { Asked, type Verdict } from "./answer";
import { titleOf } from "./asked";
import { ApprovalMark } from "./mark";
import { approvals, readAll, readOne, useApprovals } from "./use";
import "./approvals.css";

export default function Approvals() {
  const [path, go] = useLocation();
  const all = new URLSearchParams(useSearch()).get("show") === "all";
  const search = all ? "?show=all" : "";
  const id = path.split("/")[2] || undefined;
  const [wanted, setWanted] = useState<{ of: string; verdict: Verdict }>();
  const read = useApprovals();
  const listed = [...approvals.value.values()]
    .filter((info) => all || info.state === "open")
    .sort((a, b) => b.asked_at - a.asked_at || (a.id < b.id ? 1 : -1));
  const info = id === undefined ? undefined : approvals.value.get(id);
  const open = (next: string | undefined) => go(`/approvals${next === undefined ? "" : `/${next}`}${search}`);
  const step = (by: number) => {
    const at = listed.findIndex((it) => it.id === id);
    const next = at === -1 ? listed[0] : listed[at + by];
    if (next) open(next.id);
  };
  const ask = (verdict: Verdict) => {
    const chosen = info ?? listed[0];
    if (!chosen || chosen.state !== "open" || (verdict === "approve" && chosen.asked.type !== "tool")) return;
    if (chosen.id !== id) open(chosen.id);
    setWanted({ of: chosen.id, verdict });
  };
  useKeys("Approvals", [
    { keys: "j", does: "Next", act: () => step(1) },
    { keys: "k", does: "The one before", act: () => step(-1) },
    { keys: "Escape", does: "Back to the list", act: () => open(undefined) },
    ...(mayAct.value
      ? [
          { keys: "a", does: "Approve, after a question", act: () => ask("approve") },
          { keys: "d", does: "Deny, after a question", act: () => ask("deny") },
        ]
      : []),
  ]);
  return (
    <Page title="Approvals">
      <Tabs
        label="What is shown"
        tabs={[
          { href: "/approvals", title: "Open", here: !all },
          { href: "/approvals?show=all", title: "All", here: all },
        ]}
      />
      {read.error && <Fault what="The approvals could not be read" error={read.error} retry={read.reload} />}
      <Split
        class="approvals"
        shared
        open={id !== undefined}
        list={
          <List
            listed={listed}
            all={all}
            known={read.known}
            failed={read.error !== undefined}
            chosen={id}
            onOpen={open}
          />
        }
      >
        {id !== undefined && (
          <One
            id={id}
            info={info}
            asking={wanted?.of === id ? wanted.verdict : undefined}
            onAsk={(verdict) => setWanted(verdict && { of: id, verdict })}
            onClose={() => open(undefined)}
          />
        )}
      </Split>
    </Page>
  );
}

interface ListProps {
  listed: readonly ApprovalInfo[];
  all: boolean;
  known: boolean;
  failed: boolean;
  chosen: string | undefined;
  onOpen: (id: string) => void;
}

function List({ listed, all, known, failed, chosen, onOpen }: ListProps) {
  const [more, setMore] = useState(false);
  const [error, setError] = useState<Error>();
  const older = (before?: string) =>
    readAll(before).then(setMore, (error: unknown) => setError(asError(error)));
  useEffect(() => {
    if (all) void older();
  }, [all]);
  if (!known) return failed ? null : <Loading what="the approvals" />;
  return (
    <section class="approvals-list" aria-label="What is asked">
      {error && <Fault what="Those that have ended could not be read" error={error} />}
      {listed.length === 0 && <Nothing all={all} />}
      <ul>
        {listed.map((info) => (
          <li key={info.id}>
            <button
              type="button"
              class={info.id === chosen ? "approval approval-here" : "approval"}
              aria-current={info.id === chosen ? "true" : undefined}
              onClick={() => onOpen(info.id)}
            >
              <span class="approval-title">{titleOf(info)}</span>
              <span class="approval-about small quiet">
                <ApprovalMark state={info.state} />
                <span>{info.aspect}</span>
                <span class="mono">{info.asked.type === "tool" ? info.asked.tool : "question"}</span>
                {info.by !== undefined && info.state !== "open" && <span>by {info.by}</span>}
                <Time at={info.asked_at} />
              </span>
            </button>
          </li>
        ))}
      </ul>
      {all && more && <Button onClick={() => older(listed.at(-1)?.id)}>Show older ones</Button>}
    </section>
  );
}

function Nothing({ all }: { all: boolean }) {
  if (all) return <Empty title="Nobody has been asked anything yet." />;
  return (
    <Empty title="Nothing waits for you.">
      An agent asks before it does what its <code>approval</code> policy leaves to people, or when it has a
      question. It waits here, across restarts, until somebody answers.{" "}
      <Link href="/approvals?show=all">What was asked before</Link>
    </Empty>
  );
}

interface OneProps {
  id: string;
  info: ApprovalInfo | undefined;
  asking: Verdict | undefined;
  onAsk: (verdict: Verdict | undefined) => void;
  onClose: () => void;
}

/** One that was linked to may be none of the list. */
function One({ id, info, asking, onAsk, onClose }: OneProps) {
  const [error, setError] = useState<Error>();
  useEffect(() => {
    setError(undefined);
    if (!info) readOne(id).catch((error: unknown) => setError(asError(error)));
  }, [id]);
  if (info) return <Asked info={info} asking={asking} onAsk={onAsk} onClose={onClose} />;
  if (error) return <Fault what="What was asked could not be read" error={error} />;
  return <Loading what="what was asked" />;
}
