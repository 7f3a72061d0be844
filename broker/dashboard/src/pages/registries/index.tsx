/** Registries: the tables a team shares. All of them in a list, and one with its rows. */
import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { link } from "../../link/link";
import { useLoad, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { count } from "../../ui/format";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/page";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import type { RegistryHead } from "../../wire/frames";
import { Define } from "./define";
import { One } from "./one";

async function read(): Promise<RegistryHead[]> {
  const all: RegistryHead[] = [];
  for (;;) {
    const after = all.at(-1)?.name;
    const page = await link.ask("registry.list", after === undefined ? {} : { after });
    all.push(...page.registries);
    if (page.more !== true || page.registries.length === 0) return all;
  }
}

export default function Registries() {
  const [path] = useLocation();
  const name = path.split("/")[2] || undefined;
  return name === undefined ? (
    <All />
  ) : (
    <Page title="Registries">
      <One key={name} name={name} />
    </Page>
  );
}

function All() {
  const [, go] = useLocation();
  const [defining, setDefining] = useState(false);
  const define = () => setDefining(true);
  useKeys("Registries", mayAct.value ? [{ keys: "n", does: "Define a registry", act: define }] : []);
  return (
    <Page
      title="Registries"
      actions={
        mayAct.value && (
          <Button kind="primary" title="n" onClick={define}>
            Define a registry
          </Button>
        )
      }
    >
      <List />
      {defining && (
        <Define onClose={() => setDefining(false)} onDefined={(name) => go(`/registries/${name}`)} />
      )}
    </Page>
  );
}

function List() {
  const [, go] = useLocation();
  const { value, error, loading, reload } = useLoad(read, []);
  const soon = useSoon(reload);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind.startsWith("registry.")) soon();
  });
  if (loading) return <Loading what="the registries" />;
  if (!value) {
    return error ? <Fault what="The registries could not be read" error={error} retry={reload} /> : null;
  }
  if (value.length === 0) {
    return (
      <Empty title="There is no registry yet.">
        A registry is a typed table that the team shares: clients, prices, who is on call. Define what its
        rows have to be like, here or in a file for <code>nexctl registry put FILE</code>; then people,
        aspects and flows write rows, and each change is kept.
      </Empty>
    );
  }
  return (
    <Table
      label="Registries"
      columns={columns}
      rows={value}
      id={({ name }) => name}
      onOpen={({ name }) => go(`/registries/${name}`)}
    />
  );
}

const columns: Column<RegistryHead>[] = [
  { head: "Registry", cell: ({ name }) => <span class="mono">{name}</span> },
  { head: "Rows", number: true, cell: ({ rows }) => count(rows) },
  { head: "Fields", number: true, cell: ({ fields }) => fields },
  { head: "Defined", cell: ({ at }) => <Time at={at} /> },
  { head: "By", cell: ({ by }) => by },
  { head: "About", class: "registries-about", cell: ({ description }) => description },
];
