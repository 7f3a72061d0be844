/** Who may store for the whole team, and who may read everything of somebody. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { useAsk, useLog, useSoon } from "../../link/use";
import { mayAct, myParty } from "../../state/session";
import { team } from "../../state/team";
import { Button } from "../../ui/button";
import { Select } from "../../ui/choice";
import { Confirm } from "../../ui/dialog";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { FormDialog } from "../../ui/form";
import { Party } from "../../ui/party";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { KnowledgeGrant, KnowledgeGrantInfo, KnowledgeMay } from "../../wire/frames";

const words = ({ may, of }: { may: KnowledgeMay; of?: string }) =>
  may === "share" ? "store entries for the whole team" : `read everything of ${of ?? "somebody"}`;

export function Grants() {
  const grants = useAsk("knowledge.grants", {});
  const [adding, setAdding] = useState(false);
  const [taking, setTaking] = useState<KnowledgeGrantInfo>();
  const again = useSoon(grants.reload);
  useLog(({ body }) => {
    if (body.type === "other" && /^knowledge\.(granted|revoked)$/.test(body.kind)) again();
  });
  if (grants.error && !grants.value) {
    return <Fault what="The grants could not be read" error={grants.error} retry={grants.reload} />;
  }
  if (!grants.value) return <Loading what="grants" />;
  const columns: Column<KnowledgeGrantInfo>[] = [
    { head: "Who", cell: (it) => <Party party={it.to} /> },
    { head: "May", cell: words },
    {
      head: "Granted by",
      cell: ({ by, at }) =>
        by === undefined ? (
          "when it was let in"
        ) : (
          <span>
            <Party party={by} /> {at !== undefined && <Time at={at} />}
          </span>
        ),
    },
  ];
  if (mayAct.value) {
    columns.push({
      head: "What can be done",
      bare: true,
      cell: (it) => (
        <Button kind="quiet" label={`Take back: ${it.to} may ${words(it)}`} onClick={() => setTaking(it)}>
          Take back
        </Button>
      ),
    });
  }
  const take = async ({ to, may, of }: KnowledgeGrantInfo) => {
    await link.ask("knowledge.revoke", { to, may, ...(of === undefined ? {} : { of }) });
    toast(`${to} may no longer ${words({ may, ...(of === undefined ? {} : { of }) })}`);
    grants.reload();
  };
  return (
    <section class="grants" aria-label="Grants">
      <p class="quiet">
        Everybody reads shared entries and their own. People read everything. A grant lets an aspect do more.
      </p>
      {mayAct.value && (
        <div>
          <Button kind="primary" onClick={() => setAdding(true)}>
            Grant something
          </Button>
        </div>
      )}
      {grants.value.grants.length === 0 ? (
        <Empty title="Nothing is granted.">
          No aspect may share what it stores, and each reads its own entries and the shared ones.
        </Empty>
      ) : (
        <Table
          label="Grants"
          columns={columns}
          rows={grants.value.grants}
          id={(it) => `${it.to} ${it.may} ${it.of ?? ""}`}
        />
      )}
      {adding && <Add onClose={() => setAdding(false)} onDone={grants.reload} />}
      {taking && (
        <Confirm
          title="Take this back?"
          action="Take back"
          onConfirm={() => take(taking)}
          onClose={() => setTaking(undefined)}
        >
          <p>
            {taking.to} may no longer {words(taking)}. What is shared already stays shared.
          </p>
        </Confirm>
      )}
    </section>
  );
}

function Add({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const names = team.value.map((aspect) => aspect.name);
  const [to, setTo] = useState(names[0] ?? "");
  const [may, setMay] = useState<KnowledgeMay>("read");
  const [of, setOf] = useState(names[1] ?? myParty.value);
  const [id] = useState(() => uuidv7());
  const options = names.map((name) => ({ value: name, label: name }));
  const grant: KnowledgeGrant = may === "share" ? { to, may } : { to, may, of };
  const add = async () => {
    const { changed } = await link.ask("knowledge.grant", grant, id);
    toast(changed ? `${to} may ${words(grant)}` : `${to} had that already`);
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title="Grant something"
      action="Grant"
      missing={to === "" ? "" : undefined}
      failed="Nothing was granted"
      onSubmit={add}
      onClose={onClose}
    >
      <Select label="Who" value={to} options={options} onChange={setTo} />
      <Select
        label="May"
        value={may}
        options={[
          { value: "read", label: "read everything of somebody" },
          { value: "share", label: "store entries for the whole team" },
        ]}
        onChange={(may) => setMay(may === "share" ? "share" : "read")}
      />
      {may === "read" && (
        <Select
          label="Whose entries"
          value={of}
          options={[...options, { value: myParty.value, label: `${myParty.value} (you)` }]}
          onChange={setOf}
        />
      )}
    </FormDialog>
  );
}
