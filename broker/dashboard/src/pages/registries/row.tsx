/** One row: its values whole, who made it what it is, and every change of it; it can be changed and removed. */
import { useState } from "preact/hooks";
import { useLoad, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fact } from "../../ui/fact";
import { Fault } from "../../ui/fault";
import { FormDialog } from "../../ui/form";
import { Json } from "../../ui/json";
import { Mark } from "../../ui/mark";
import { Party } from "../../ui/party";
import { BesideHead } from "../../ui/split";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { Registry, RegistryRow } from "../../wire/frames";
import { columnsOf } from "./cells";
import { Conflict, Value } from "./conflict";
import { RowForm, label } from "./form";
import { History } from "./history";
import { Between, remove, rowOf, useRequest } from "./write";

interface Props {
  registry: Registry;
  row: string;
  onClose: () => void;
}

export function Row({ registry, row, onClose }: Props) {
  const { name } = registry;
  const { value, error, loading, reload } = useLoad(
    async () => ({ found: await rowOf(name, row) }),
    [name, row],
  );
  const soon = useSoon(reload);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind === "registry.changed" && body.subject === `${name}/${row}`)
      soon();
  });
  // With the row as it was then: what somebody has typed stays, whoever removes it meanwhile.
  const [asking, setAsking] = useState<{ to: "change" | "remove"; row: RegistryRow }>();
  const found = value?.found;
  const called = label(row, registry);
  return (
    <aside class="beside" aria-label={`Row ${called}`}>
      <BesideHead
        title={called}
        onClose={onClose}
        tools={
          mayAct.value &&
          found && (
            <>
              <Button onClick={() => setAsking({ to: "change", row: found })}>Change…</Button>
              <Button kind="danger" onClick={() => setAsking({ to: "remove", row: found })}>
                Remove…
              </Button>
            </>
          )
        }
      >
        {value && !found && <Mark tone="offline" word="not there" />}
      </BesideHead>
      {error && !value && <Fault what="The row could not be read" error={error} retry={reload} />}
      {loading && <Loading what="the row" />}
      {value && !found && (
        <Empty title={`There is no row ${called}.`}>What it was, if it was there, is in its history.</Empty>
      )}
      {found && <Known registry={registry} row={found} />}
      <section class="part">
        <h3>History</h3>
        <History registry={name} row={row} />
      </section>
      {asking?.to === "change" && (
        <RowForm
          registry={registry}
          base={asking.row}
          onClose={() => setAsking(undefined)}
          onWritten={reload}
        />
      )}
      {asking?.to === "remove" && (
        <Remove registry={registry} row={asking.row} onClose={() => setAsking(undefined)} onDone={onClose} />
      )}
    </aside>
  );
}

function Known({ registry, row }: { registry: Registry; row: RegistryRow }) {
  return (
    <>
      <dl class="facts">
        <Fact name="Version">{row.version}</Fact>
        <Fact name="By">
          <Party party={row.by} />
        </Fact>
        <Fact name="Changed">
          <Time at={row.at} />
        </Fact>
      </dl>
      <dl class="row-values">
        {columnsOf(registry).map(({ name, type }) => (
          <Fact key={name} name={name}>
            {type === "json" && row.values[name] !== undefined ? (
              <Json value={row.values[name]} label={name} />
            ) : (
              <Value value={row.values[name]} />
            )}
          </Fact>
        ))}
      </dl>
    </>
  );
}

interface RemoveProps {
  registry: Registry;
  row: RegistryRow;
  onClose: () => void;
  onDone: () => void;
}

function Remove({ registry, row, onClose, onDone }: RemoveProps) {
  const [base] = useState(row);
  const [between, setBetween] = useState<Between>();
  const request = useRequest();
  const called = label(base.row, registry);
  const submit = async () => {
    const payload = {
      registry: registry.name,
      row: base.row,
      if_version: between?.version ?? base.version,
    };
    const done = await remove(payload, request(payload));
    if (done instanceof Between) {
      setBetween(done);
      return;
    }
    toast(`${called} is removed; its history stays`);
    onClose();
    onDone();
  };
  return (
    <FormDialog
      title={`Remove ${called}?`}
      action={between ? "Remove it all the same" : "Remove"}
      danger
      missing={between && !between.row ? "It is there no more" : undefined}
      failed="The row was not removed"
      onSubmit={submit}
      onClose={onClose}
    >
      {between ? (
        <Conflict between={between} base={base} mine={{}} />
      ) : (
        <p>The row goes out of {registry.name}. Every change of it stays in the history.</p>
      )}
    </FormDialog>
  );
}
