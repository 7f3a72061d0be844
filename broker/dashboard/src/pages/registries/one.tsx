/** One registry: its rows, what they have to be like, and what became of them. */
import { useEffect, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { link } from "../../link/link";
import { Refusal } from "../../link/refusal";
import { useAsk, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { count } from "../../ui/format";
import { useKeys } from "../../ui/keys";
import { to, useQuery } from "../../ui/query";
import { Split } from "../../ui/split";
import { Tabs } from "../../ui/tabs";
import { toast } from "../../ui/toast";
import { TypedConfirm } from "../../ui/typed";
import type { RegistryInfo, RegistryRow } from "../../wire/frames";
import { Define } from "./define";
import { Definition } from "./definition";
import { RowForm } from "./form";
import { History } from "./history";
import { Row } from "./row";
import { Rows, focusSheet } from "./rows";

export function One({ name }: { name: string }) {
  const { value, error, loading, reload } = useAsk("registry.get", { registry: name });
  const soon = useSoon(reload);
  useLog(({ body }) => {
    if (body.type !== "other" || !body.kind.startsWith("registry.")) return;
    if (body.subject === name || body.subject.startsWith(`${name}/`)) soon();
  });
  // What somebody is about to write stays, whoever deletes the registry meanwhile.
  const [asking, setAsking] = useState<Asking>();
  const isGone = error instanceof Refusal && error.code === "not_found";
  if (isGone && (!value || asking?.what !== "define")) {
    return (
      <Empty title={`There is no registry ${name}.`}>
        It was deleted, or never made. <Link href="/registries">All registries</Link>
      </Empty>
    );
  }
  if (loading) return <Loading what="the registry" />;
  if (value) return <Known info={value} asking={asking} setAsking={setAsking} />;
  return error ? <Fault what="The registry could not be read" error={error} retry={reload} /> : null;
}

type Asking =
  | { what: "add" | "delete" }
  | { what: "define"; base: RegistryInfo }
  | { what: "long"; row: RegistryRow; field: string };

interface KnownProps {
  info: RegistryInfo;
  /** The dialog that is open. */
  asking: Asking | undefined;
  setAsking: (asking: Asking | undefined) => void;
}

function Known({ info, asking, setAsking }: KnownProps) {
  const { registry } = info;
  const { name } = registry;
  const [, go] = useLocation();
  const [{ show = "", row, filter = "" }, setQuery] = useQuery();
  const isRows = show === "";
  const close = () => setAsking(undefined);
  useKeys(`Registry ${name}`, [
    ...(mayAct.value ? [{ keys: "n", does: "Add a row", act: () => setAsking({ what: "add" }) }] : []),
    { keys: "j", does: "To the rows; arrows move, Enter writes", act: focusSheet },
    {
      keys: "Escape",
      does: "Close the row, or back to the list",
      act: () => (row === undefined ? go("/registries") : setQuery({ row: "" })),
    },
  ]);
  const remove = async () => {
    await link.ask("registry.delete", { registry: name });
    toast(`${name} is deleted, with its rows and their history`);
    go("/registries");
  };
  return (
    <div class="registry">
      <header class="registry-head">
        <Link href="/registries">← All registries</Link>
        <h2 class="mono">{name}</h2>
        <span class="quiet">
          <span class="number">{count(info.rows)}</span> {info.rows === 1 ? "row" : "rows"}
        </span>
        {mayAct.value && (
          <span class="beside-tools">
            <Button kind="primary" title="n" onClick={() => setAsking({ what: "add" })}>
              Add a row
            </Button>
            <Button kind="danger" onClick={() => setAsking({ what: "delete" })}>
              Delete…
            </Button>
          </span>
        )}
        {registry.description !== undefined && registry.description !== "" && (
          <p class="registry-about">{registry.description}</p>
        )}
      </header>
      <Tabs
        label="What is shown"
        tabs={[
          { href: `/registries/${name}`, title: "Rows", here: isRows },
          {
            href: to(`/registries/${name}`, { show: "definition" }),
            title: "Definition",
            here: show === "definition",
          },
          {
            href: to(`/registries/${name}`, { show: "history" }),
            title: "History",
            here: show === "history",
          },
        ]}
      />
      {isRows && (
        <Split
          open={row !== undefined}
          list={
            <>
              <Filter />
              <Rows
                registry={registry}
                filter={filter}
                chosen={row}
                onLong={(row, field) => setAsking({ what: "long", row, field })}
              />
            </>
          }
        >
          {row !== undefined && (
            <Row key={row} registry={registry} row={row} onClose={() => setQuery({ row: "" })} />
          )}
        </Split>
      )}
      {show === "definition" && (
        <Definition info={info} onChange={() => setAsking({ what: "define", base: info })} />
      )}
      {show === "history" && <History registry={name} />}
      {asking?.what === "add" && (
        <RowForm registry={registry} onClose={close} onWritten={(row) => setQuery({ row, show: "" })} />
      )}
      {asking?.what === "long" && (
        <RowForm
          registry={registry}
          base={asking.row}
          first={asking.field}
          onClose={close}
          onWritten={() => undefined}
        />
      )}
      {asking?.what === "define" && <Define base={asking.base} onClose={close} onDefined={() => undefined} />}
      {asking?.what === "delete" && (
        <TypedConfirm
          title={`Delete ${name}?`}
          name={name}
          action="Delete"
          onConfirm={remove}
          onClose={close}
        >
          <p>
            {count(info.rows)} {info.rows === 1 ? "row goes" : "rows go"} with it, and every change of them.
            It cannot be taken back.
          </p>
        </TypedConfirm>
      )}
    </div>
  );
}

/** It goes out with Enter, or when the field is left: half an expression is none. */
function Filter() {
  const [{ filter = "" }, setQuery] = useQuery();
  const [text, setText] = useState(filter);
  useEffect(() => setText(filter), [filter]);
  const apply = () => {
    if (text !== filter) setQuery({ filter: text.trim() }, true);
  };
  return (
    <form
      class="registry-filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <input
        class="input mono"
        type="search"
        data-search
        aria-label="Filter"
        placeholder='Filter: state == "open" and hours > 10'
        spellcheck={false}
        autocomplete="off"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={apply}
      />
    </form>
  );
}
