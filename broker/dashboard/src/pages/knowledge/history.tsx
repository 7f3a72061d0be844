/** The versions of an entry, and what changed between two of them. */
import { link } from "../../link/link";
import { usePages } from "../../link/pages";
import { useAsk } from "../../link/use";
import { Button } from "../../ui/button";
import { Select } from "../../ui/choice";
import { Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { bytes } from "../../ui/format";
import { Mark } from "../../ui/mark";
import { useQuery } from "../../ui/query";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import type { KnowledgeEntry, KnowledgeHead } from "../../wire/frames";
import { Compared } from "./compared";
import { Shared } from "./topics";

interface Props {
  of: string;
  topic: string;
  current: KnowledgeEntry;
}

export function History({ of, topic, current }: Props) {
  const [query, setQuery] = useQuery();
  const pages = usePages<KnowledgeHead>(
    async (cursor) => {
      const page = await link.ask("knowledge.history", {
        of,
        topic,
        limit: 100,
        ...(cursor === undefined ? {} : { cursor }),
      });
      return { rows: page.entries, next: page.cursor };
    },
    [of, topic, current.version],
  );
  if (pages.error && !pages.rows) {
    return <Fault what="The versions could not be read" error={pages.error} retry={pages.reload} />;
  }
  if (!pages.rows) return <Loading what="versions" />;
  const versions = pages.rows.map((it) => it.version);
  const to = known(query.to, versions) ?? current.version;
  const from = known(query.from, versions) ?? versions.find((it) => it < to);
  const compare = (from: number | undefined, to: number) =>
    setQuery({ from: from === undefined ? "" : String(from), to: String(to) }, true);
  const columns: Column<KnowledgeHead>[] = [
    { head: "Version", number: true, cell: (it) => it.version },
    { head: "When", cell: (it) => <Time at={it.at} /> },
    {
      head: "What",
      cell: (it) =>
        it.deleted === true ? <Mark tone="failed" word="deleted" /> : <Shared shared={it.shared} />,
    },
    { head: "Size", number: true, cell: (it) => bytes(it.bytes) },
    {
      head: "What can be done",
      bare: true,
      cell: (it) => (
        <span class="row-buttons">
          <Button
            kind="quiet"
            pressed={it.version === to}
            label={`What version ${it.version} changed`}
            onClick={() =>
              compare(
                versions.find((other) => other < it.version),
                it.version,
              )
            }
          >
            Changes
          </Button>
          <Button
            kind="quiet"
            label={`Read version ${it.version}`}
            onClick={() => setQuery({ v: String(it.version), tab: "" })}
          >
            Read
          </Button>
        </span>
      ),
    },
  ];
  return (
    <div class="history">
      <Table label="Versions" columns={columns} rows={pages.rows} id={(it) => it.entry} />
      {pages.more && <Button onClick={pages.loadMore}>Older versions</Button>}
      {from === undefined ? (
        <p class="quiet">Version {to} is the first that is kept: there is nothing to compare it with.</p>
      ) : (
        <>
          <div class="history-which">
            <h3>Changes</h3>
            <Select
              bare
              label="From version"
              value={String(from)}
              options={options(versions)}
              onChange={(value) => compare(Number(value), to)}
            />
            <span aria-hidden="true">→</span>
            <Select
              bare
              label="To version"
              value={String(to)}
              options={options(versions)}
              onChange={(value) => compare(from, Number(value))}
            />
          </div>
          <Changes of={of} topic={topic} from={from} to={to} />
        </>
      )}
    </div>
  );
}

const options = (versions: readonly number[]) =>
  versions.map((it) => ({ value: String(it), label: `version ${it}` }));

const known = (text: string | undefined, versions: readonly number[]) =>
  versions.find((it) => String(it) === text);

function Changes({ of, topic, from, to }: { of: string; topic: string; from: number; to: number }) {
  const one = useAsk("knowledge.get", { of, topic, version: from });
  const other = useAsk("knowledge.get", { of, topic, version: to });
  const error = one.error ?? other.error;
  if (error) return <Fault what="The versions could not be compared" error={error} retry={one.reload} />;
  if (!one.value || !other.value) return <Loading what="both versions" />;
  return (
    <>
      {one.value.shared !== other.value.shared && (
        <p class="entry-note">
          {other.value.shared ? "It was made readable for the whole team." : "It was made the author's own."}
        </p>
      )}
      {other.value.deleted === true && <p class="entry-note">Version {to} says that the entry is deleted.</p>}
      <Compared
        label={`Changes from version ${from} to ${to}`}
        before={one.value.content}
        after={other.value.content}
      />
    </>
  );
}
