/** One entry: its text, who may read it, how often it was used, and its versions. */
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { link } from "../../link/link";
import { Refusal } from "../../link/refusal";
import { useAsk, useLoad, useLog, useSoon } from "../../link/use";
import { mayAct, myParty } from "../../state/session";
import { Button } from "../../ui/button";
import { Segments } from "../../ui/choice";
import { Confirm } from "../../ui/dialog";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { bytes, count } from "../../ui/format";
import { Id } from "../../ui/id";
import { Markdown } from "../../ui/markdown";
import { Party } from "../../ui/party";
import { to, useQuery } from "../../ui/query";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { KnowledgeEntry } from "../../wire/frames";
import type { Draft } from "./editor";
import { History } from "./history";
import { Shared } from "./topics";

/** The broker writes uses down every five seconds. */
const USES_MS = 10_000;

interface Props {
  of: string;
  topic: string;
  written: number;
  onEdit: (draft: Draft) => void;
}

type Tab = "text" | "source" | "history";

const isTab = (tab: string | undefined): tab is Tab =>
  tab === "text" || tab === "source" || tab === "history";

/** The entry as it stands. One that is deleted is not found by its topic, and its last version says so. */
async function readCurrent(of: string, topic: string): Promise<KnowledgeEntry> {
  try {
    return await link.ask("knowledge.get", { of, topic });
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "not_found") throw error;
    const { entries } = await link.ask("knowledge.history", { of, topic, limit: 1 });
    const last = entries[0];
    if (last?.deleted !== true) throw error;
    return { ...last, content: "" };
  }
}

export function EntryView({ of, topic, written, onEdit }: Props) {
  const [query, setQuery] = useQuery();
  const tab: Tab = isTab(query.tab) ? query.tab : "text";
  const version = query.v === undefined ? undefined : Number(query.v);
  const current = useLoad(() => readCurrent(of, topic), [of, topic]);
  const older = useAsk("knowledge.get", version === undefined ? undefined : { of, topic, version });
  const again = useSoon(current.reload);
  useLog(({ body }) => {
    if (body.type === "other" && /^knowledge\.(stored|deleted)$/.test(body.kind)) again();
  });
  useEffect(() => {
    if (written > 0) current.reload();
  }, [written]);
  // How often it was found is no change that the log tells of.
  useEffect(() => {
    const timer = setInterval(current.reload, USES_MS);
    return () => clearInterval(timer);
  }, []);
  const error = current.error ?? older.error;
  if (error && !current.value) {
    return <Fault what={`“${topic}” could not be read`} error={error} retry={current.reload} />;
  }
  const entry = version === undefined ? current.value : older.value;
  if (!entry || !current.value) return <Loading what="the entry" />;
  return (
    <article class="entry" aria-label={topic}>
      <p class="entry-back">
        <Link href={to("/knowledge", { ...query, of: "", topic: "", v: "", tab: "" })}>← All entries</Link>
      </p>
      <header class="entry-head">
        <h2>{topic}</h2>
        <Actions entry={current.value} onEdit={onEdit} />
      </header>
      <Facts entry={entry} />
      <Segments
        label="What is shown"
        value={tab}
        options={[
          { value: "text", label: "Text" },
          { value: "source", label: "Source" },
          { value: "history", label: "History" },
        ]}
        onChange={(tab) => setQuery({ tab: tab === "text" ? "" : tab }, true)}
      />
      {version !== undefined && version !== current.value.version && (
        <p class="entry-note" role="status">
          This is version {version}; the current one is {current.value.version}.{" "}
          <Button kind="quiet" onClick={() => setQuery({ v: "" })}>
            Show the current one
          </Button>
        </p>
      )}
      {tab === "history" ? (
        <History of={of} topic={topic} current={current.value} />
      ) : entry.deleted === true ? (
        <Empty title="This entry is deleted.">
          What it said is in its history. Storing the topic again brings it back.
        </Empty>
      ) : tab === "text" ? (
        <Markdown text={entry.content} />
      ) : (
        <pre class="entry-source" tabIndex={0}>
          {entry.content}
        </pre>
      )}
    </article>
  );
}

function Facts({ entry }: { entry: KnowledgeEntry }) {
  const { usage } = entry;
  return (
    <dl class="facts">
      <div>
        <dt>By</dt>
        <dd>
          <Party party={entry.from} />
        </dd>
      </div>
      <div>
        <dt>Readers</dt>
        <dd>
          <Shared shared={entry.shared} />
        </dd>
      </div>
      <div>
        <dt>Version</dt>
        <dd>
          <span class="number">{entry.version}</span>, <Time at={entry.at} />
        </dd>
      </div>
      <div>
        <dt>Size</dt>
        <dd class="number">{bytes(entry.bytes)}</dd>
      </div>
      <div title="How often a search of an aspect brought it, and how often it was put into a session">
        <dt>Used</dt>
        <dd>
          found <span class="number">{count(usage?.found ?? 0)}</span>×, recalled{" "}
          <span class="number">{count(usage?.recalled ?? 0)}</span>×
          {usage?.last_recalled_at !== undefined && (
            <>
              {" "}
              (<Time at={usage.last_recalled_at} />)
            </>
          )}
        </dd>
      </div>
      <div>
        <dt>Id</dt>
        <dd>
          <Id id={entry.entry} what="entry's id" />
        </dd>
      </div>
    </dl>
  );
}

function Actions({ entry, onEdit }: { entry: KnowledgeEntry; onEdit: (draft: Draft) => void }) {
  const [asking, setAsking] = useState(false);
  if (!mayAct.value) return null;
  const { topic, content, shared, version, from } = entry;
  const mine = from === myParty.value;
  const remove = async () => {
    await link.ask("knowledge.delete", { of: from, topic });
    toast(`“${topic}” is deleted; its history stays`);
  };
  return (
    <div class="entry-actions">
      {mine ? (
        <Button onClick={() => onEdit({ topic, content, shared, was: version })}>
          {entry.deleted === true ? "Store again" : "Edit"}
        </Button>
      ) : (
        <Button
          title="Only its author changes an entry; yours of the same topic stands beside it"
          onClick={() => onEdit({ topic, content, shared })}
        >
          Write my own version
        </Button>
      )}
      {entry.deleted !== true && (
        <Button kind="danger" onClick={() => setAsking(true)}>
          Delete
        </Button>
      )}
      {asking && (
        <Confirm
          title={`Delete “${topic}”?`}
          action="Delete"
          onConfirm={remove}
          onClose={() => setAsking(false)}
        >
          <p>
            Nobody finds or reads it any more, and it is in the log who deleted it. Its {version}{" "}
            {version === 1 ? "version stays" : "versions stay"} in its history.
          </p>
        </Confirm>
      )}
    </div>
  );
}
