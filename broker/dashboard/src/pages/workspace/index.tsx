/** Workspace: the files a team is made of, where what is in effect of each comes from, and what is wrong; its skills. */
import { useState } from "preact/hooks";
import { useSearch } from "wouter-preact";
import { rest } from "../../link/rest";
import { useLoad, useLog, useSoon } from "../../link/use";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { bytes } from "../../ui/format";
import { Mark } from "../../ui/mark";
import { Page } from "../../ui/page";
import { type Column, Table } from "../../ui/table";
import { Tabs } from "../../ui/tabs";
import { Time } from "../../ui/time";
import type { WorkspaceFile, WorkspaceFiles } from "../../wire/http";
import { SkillTable } from "./skills";
import { type Show, counts, isShown, toneOf } from "./words";
import "./workspace.css";

/** Rows that are in the page at first; and those that more of them bring. */
const ROWS = 200;
/** A workspace has at most 10 000 files, beside those that are shipped. */
const PAGES_MAX = 100;

async function read(): Promise<WorkspaceFiles> {
  let all = await rest<WorkspaceFiles>("GET", "workspace?limit=200");
  for (let page = 1; page < PAGES_MAX && all.next_cursor !== undefined; page += 1) {
    const cursor = encodeURIComponent(all.next_cursor);
    const next = await rest<WorkspaceFiles>("GET", `workspace?limit=200&cursor=${cursor}`);
    all = { ...next, files: [...all.files, ...next.files] };
  }
  return all;
}

const SHOWS: readonly { show: Show; title: string }[] = [
  { show: "", title: "All files" },
  { show: "own", title: "Another than shipped" },
  { show: "faults", title: "Faults" },
  { show: "skills", title: "Skills" },
];

export default function Workspace() {
  const { value, error, loading, reload } = useLoad(read, []);
  const soon = useSoon(reload, 1_000);
  useLog(({ body }) => {
    // What it loads is put by an operator of its own, and what is wrong is an alert.
    const isPut = body.type === "other" && /^(aspect|flow|registry|trigger)\./.test(body.kind);
    if (isPut || (body.type === "alert" && body.kind === "workspace_fault")) soon();
  });
  const reread = <Button onClick={reload}>Read again</Button>;
  return (
    <Page title="Workspace" actions={value?.folder !== undefined && reread}>
      {error && <Fault what="The workspace could not be read" error={error} retry={reload} />}
      {loading && <Loading what="the workspace" />}
      {value?.folder === undefined && value && (
        <Empty title="This broker keeps no workspace.">
          A workspace is a folder of what the team is made of: homes of aspects, skills, flows, triggers,
          registries. Make one with <code>nexus workspace init demo</code>, and start the broker with{" "}
          <code>nexus serve --workspace workspace</code>.
        </Empty>
      )}
      {value?.folder !== undefined && <Files all={value} />}
    </Page>
  );
}

function Files({ all }: { all: WorkspaceFiles }) {
  const query = new URLSearchParams(useSearch());
  const show = SHOWS.find(({ show }) => show === query.get("show"))?.show ?? "";
  const address = (show: Show) => (show === "" ? "/workspace" : `/workspace?show=${show}`);
  return (
    <div class="workspace">
      <p class="workspace-facts">
        <code>{all.folder}</code>
        {counts(all.files).map(({ origin, count }) => (
          <span key={origin}>
            <span class="number">{count}</span> {origin}
          </span>
        ))}
        {all.read_at !== undefined && (
          <span class="quiet">
            looked through <Time at={all.read_at} />
          </span>
        )}
      </p>
      <Tabs
        label="What is shown"
        tabs={SHOWS.map(({ show: it, title }) => ({
          href: address(it),
          here: it === show,
          title:
            it === "faults" && all.faults > 0 ? (
              <>
                {title} <span class="number">{all.faults}</span>
              </>
            ) : (
              title
            ),
        }))}
      />
      {show === "skills" ? <SkillTable key={all.read_at} /> : <FileTable all={all.files} show={show} />}
    </div>
  );
}

function FileTable({ all, show }: { all: readonly WorkspaceFile[]; show: Show }) {
  const [words, setWords] = useState("");
  const [most, setMost] = useState(ROWS);
  const shown = all.filter((file) => isShown(file, show, words.trim()));
  return (
    <>
      <input
        class="input workspace-search"
        type="search"
        data-search
        aria-label="Search files by path"
        placeholder="Search by path"
        value={words}
        onInput={(event) => setWords(event.currentTarget.value)}
      />
      {shown.length === 0 ? (
        <Empty
          title={
            show === "faults" && words === "" ? "Nothing is wrong with any file." : "No file is like that."
          }
        />
      ) : (
        <Table label="Files" columns={columns} rows={shown.slice(0, most)} id={({ path }) => path} />
      )}
      {shown.length > most && (
        <p>
          <Button onClick={() => setMost(most + ROWS)}>More files</Button>
        </p>
      )}
    </>
  );
}

const columns: Column<WorkspaceFile>[] = [
  {
    head: "File",
    class: "workspace-file",
    cell: ({ path, fault }) => (
      <>
        <span class="mono">{path}</span>
        {fault !== undefined && (
          <span class="workspace-fault">
            <Mark tone="failed" word="fault" bare /> {fault}
          </span>
        )}
      </>
    ),
  },
  {
    head: "From",
    cell: ({ origin }) =>
      origin === undefined ? (
        <Mark tone="failed" word="not in effect" />
      ) : (
        <Mark tone={toneOf[origin]} word={origin} />
      ),
  },
  {
    head: "By",
    class: "workspace-file",
    cell: ({ by }) => by !== undefined && <span class="mono">{by}</span>,
  },
  { head: "Size", number: true, cell: ({ bytes: size }) => size !== undefined && bytes(size) },
  {
    head: "SHA-256",
    cell: ({ sha256 }) => sha256 !== undefined && <code title={sha256}>{sha256.slice(0, 12)}</code>,
  },
];
