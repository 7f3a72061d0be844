/** The skills of the workspace: what each is called, what it is good for, and what it has to be given. */
import { rest } from "../../link/rest";
import { useLoad } from "../../link/use";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { type Column, Table } from "../../ui/table";
import type { Skill, Skills } from "../../wire/http";
import { inputOf } from "./words";

async function read(): Promise<Skill[]> {
  const all: Skill[] = [];
  let cursor: string | undefined = "";
  while (cursor !== undefined) {
    const page: Skills = await rest<Skills>("GET", `skills?limit=200&cursor=${encodeURIComponent(cursor)}`);
    all.push(...page.skills);
    cursor = page.next_cursor;
  }
  return all;
}

export function SkillTable() {
  const { value, error, loading, reload } = useLoad(read, []);
  return (
    <>
      {error && <Fault what="The skills could not be read" error={error} retry={reload} />}
      {loading && <Loading what="the skills" />}
      {value?.length === 0 && (
        <Empty title="There are no skills.">
          A skill is a Markdown file in <code>skills/</code> that says how something is done.
        </Empty>
      )}
      {value !== undefined && value.length > 0 && (
        <Table label="Skills" columns={columns} rows={value} id={({ name }) => name} />
      )}
    </>
  );
}

const columns: Column<Skill>[] = [
  {
    head: "Skill",
    cell: ({ name, title }) => (
      <span title={title} class="mono">
        {name}
      </span>
    ),
  },
  { head: "Good for", cell: ({ description }) => description },
  { head: "Input", cell: ({ input_schema }) => <code>{inputOf(input_schema)}</code> },
  { head: "File", class: "workspace-file", cell: ({ file }) => <span class="mono">{file}</span> },
];
