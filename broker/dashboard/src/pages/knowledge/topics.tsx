/** The search field and its filters; and without a search, every entry by its topic. */
import { useEffect, useState } from "preact/hooks";
import { link } from "../../link/link";
import { usePages } from "../../link/pages";
import { useLog, useSoon } from "../../link/use";
import { team } from "../../state/team";
import { Button } from "../../ui/button";
import { Check, Select } from "../../ui/choice";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Party } from "../../ui/party";
import { useQuery } from "../../ui/query";
import { Time } from "../../ui/time";
import type { KnowledgeHead } from "../../wire/frames";
import { Row } from "./row";

/** A search goes out when the typing pauses. */
const PAUSE_MS = 200;

export function Finder() {
  const [query, setQuery] = useQuery();
  const { q = "", by = "", shared = "" } = query;
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  useEffect(() => {
    if (text === q) return;
    const timer = setTimeout(() => setQuery({ q: text }, true), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const names = team.value.map((aspect) => aspect.name);
  const known = by === "" || names.includes(by) ? names : [...names, by];
  return (
    <form class="finder" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        class="input"
        type="search"
        data-search
        aria-label="Search knowledge"
        placeholder='Search: words, "a phrase", OR, -without, begin*'
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <div class="finder-filters">
        <Select
          bare
          label="Whose entries"
          value={by}
          options={[
            { value: "", label: "Everybody's" },
            ...known.map((name) => ({ value: name, label: name })),
          ]}
          onChange={(by) => setQuery({ by }, true)}
        />
        <Check
          label="Shared only"
          checked={shared === "1"}
          onChange={(checked) => setQuery({ shared: checked ? "1" : "" }, true)}
        />
      </div>
    </form>
  );
}

interface Props {
  by: string;
  sharedOnly: boolean;
  /** Counts what was written here, so that it is shown at once. */
  written: number;
}

export function Topics({ by, sharedOnly, written }: Props) {
  const [{ of, topic }] = useQuery();
  const pages = usePages<KnowledgeHead>(
    async (cursor) => {
      const page = await link.ask("knowledge.list", {
        limit: 200,
        ...(by === "" ? {} : { of: by }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return { rows: page.entries, next: page.cursor };
    },
    [by],
  );
  const again = useSoon(pages.reload);
  useLog(({ body }) => {
    if (body.type === "other" && /^knowledge\.(stored|deleted)$/.test(body.kind)) again();
  });
  useEffect(() => {
    if (written > 0) pages.reload();
  }, [written]);
  if (pages.error && !pages.rows) {
    return <Fault what="The entries could not be read" error={pages.error} retry={pages.reload} />;
  }
  if (!pages.rows) return <Loading what="entries" />;
  const rows = byTopic(pages.rows.filter((entry) => !sharedOnly || entry.shared));
  if (rows.length === 0) {
    return (
      <Empty title={by === "" && !sharedOnly ? "Nobody has stored anything yet." : "No entry is like that."}>
        {by === "" && !sharedOnly
          ? "Aspects store what they learn with store_knowledge; you can write an entry yourself."
          : "Take a filter away to see the others."}
      </Empty>
    );
  }
  return (
    <>
      <ul class="rows" aria-label="Entries by topic">
        {rows.map((entry) => (
          <Row
            key={`${entry.from}\n${entry.topic}`}
            from={entry.from}
            topic={entry.topic}
            here={entry.from === of && entry.topic === topic}
          >
            <span class="row-about">
              <Party party={entry.from} /> · <Shared shared={entry.shared} /> · <Time at={entry.at} />
            </span>
          </Row>
        ))}
      </ul>
      {pages.more && <Button onClick={pages.loadMore}>More entries</Button>}
    </>
  );
}

export function Shared({ shared }: { shared: boolean }) {
  return shared ? <span>shared</span> : <span class="own">the author’s own</span>;
}

function byTopic(entries: readonly KnowledgeHead[]): KnowledgeHead[] {
  return [...entries].sort((a, b) => a.topic.localeCompare(b.topic) || a.from.localeCompare(b.from));
}
