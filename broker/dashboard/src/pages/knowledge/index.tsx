/** Knowledge: what the team keeps by topic; found, read, compared, written, and who may share and read it. */
import { useState } from "preact/hooks";
import { useAsk } from "../../link/use";
import { mayAct, myParty } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/page";
import { useQuery } from "../../ui/query";
import { type Draft, Editor } from "./editor";
import { EntryView } from "./entry";
import { ByEntryId } from "./found";
import { Grants } from "./grants";
import { Hits } from "./hits";
import { Finder, Topics } from "./topics";
import "./knowledge.css";

const EMPTY: Draft = { topic: "", content: "", shared: true };

export default function Knowledge() {
  const [query, setQuery] = useQuery();
  const [draft, setDraft] = useState<Draft>();
  const [written, setWritten] = useState(0);
  const { q = "", by = "", shared = "", of, topic, entry, view } = query;
  const open = of !== undefined && topic !== undefined;
  const write = () => setDraft({ ...EMPTY });
  useKeys("Knowledge", [
    ...(mayAct.value ? [{ keys: "n", does: "Write an entry", act: write }] : []),
    { keys: "Escape", does: "Close the entry", act: () => setQuery({ of: "", topic: "", v: "", entry: "" }) },
  ]);
  const stored = (topic: string) => {
    setDraft(undefined);
    setWritten((it) => it + 1);
    setQuery({ of: myParty.value, topic, v: "", entry: "", view: "" });
  };
  const actions = (
    <>
      <Button
        pressed={view === "grants"}
        onClick={() => setQuery({ view: view === "grants" ? "" : "grants", of: "", topic: "", entry: "" })}
      >
        Grants
      </Button>
      {mayAct.value && (
        <Button kind="primary" title="n" onClick={write}>
          Write an entry
        </Button>
      )}
    </>
  );
  return (
    <Page title="Knowledge" actions={actions} fills={view !== "grants"}>
      {view === "grants" ? (
        <Grants />
      ) : (
        <div class={open || entry !== undefined ? "knowledge knowledge-open" : "knowledge"}>
          <div class="knowledge-list">
            <Finder />
            {q.trim() === "" ? (
              <Topics by={by} sharedOnly={shared === "1"} written={written} />
            ) : (
              <Hits text={q} by={by} sharedOnly={shared === "1"} />
            )}
          </div>
          <div class="knowledge-entry">
            {open ? (
              <EntryView key={`${of}\n${topic}`} of={of} topic={topic} written={written} onEdit={setDraft} />
            ) : entry !== undefined ? (
              <ByEntryId entry={entry} />
            ) : (
              <Overview />
            )}
          </div>
        </div>
      )}
      {draft && <Editor draft={draft} onClose={() => setDraft(undefined)} onStored={stored} />}
    </Page>
  );
}

function Overview() {
  const any = useAsk("knowledge.list", { limit: 1 });
  if (any.loading) return <Loading what="knowledge" />;
  if (any.value?.entries.length === 0) return null;
  return (
    <Empty title="Choose an entry to read it.">
      Each has its history, and says how often the team's searches found it.
    </Empty>
  );
}
