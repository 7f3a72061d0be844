/** Inviting a person by a link that is shown once, and the invitations nobody has accepted yet. */
import { useState } from "preact/hooks";
import { rest } from "../../link/rest";
import { mayAdmin } from "../../state/session";
import { Button } from "../../ui/button";
import { Select } from "../../ui/choice";
import { Confirm } from "../../ui/dialog";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { now } from "../../ui/now";
import { SecretOnce } from "../../ui/once";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { InvitationAdd, InvitationInfo, InvitationMade, OperatorRole } from "../../wire/http";
import { NAME_HINT, nameFault } from "./keys";
import { ROLES, roleOf } from "./person";

const DAY_S = 86_400;

const LIFETIMES = [
  { value: String(DAY_S), label: "a day" },
  { value: String(3 * DAY_S), label: "3 days" },
  { value: String(7 * DAY_S), label: "7 days" },
  { value: String(30 * DAY_S), label: "30 days" },
];

interface Props {
  /** Of those who are in. */
  names: readonly string[];
  onClose: () => void;
  onDone: () => void;
}

export function Invite({ names, onClose, onDone }: Props) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<OperatorRole>("operator");
  const [lifetime, setLifetime] = useState(String(3 * DAY_S));
  const [made, setMade] = useState<InvitationMade>();
  const fault = nameFault(name) ?? (names.includes(name) ? `${name} is in already.` : undefined);
  const invite = async () => {
    const body: InvitationAdd = { name, role, expires_in_s: Number(lifetime) };
    setMade(await rest<InvitationMade>("POST", "invitations", body));
    onDone();
  };
  if (made !== undefined) {
    return (
      <SecretOnce title={`${name} is invited`} what="link" secret={made.link} onClose={onClose}>
        <p>
          Send {name} this link. Whoever opens it first chooses the password and is {name}, so send it to
          nobody else.
        </p>
      </SecretOnce>
    );
  }
  return (
    <FormDialog
      title="Invite a person"
      action="Make the link"
      missing={name === "" || fault !== undefined ? "" : undefined}
      once
      failed={`${name} was not invited`}
      safe=""
      onSubmit={invite}
      onClose={onClose}
    >
      <Field
        label="Name"
        mono
        value={name}
        onInput={setName}
        error={fault}
        hint={NAME_HINT}
        autocomplete="off"
      />
      <Select label="Role" value={role} options={ROLES} onChange={(role) => setRole(roleOf(role))} />
      <Select
        label="The link is good for"
        value={lifetime}
        options={LIFETIMES}
        onChange={setLifetime}
        hint="And once. An earlier link to the same name is good no more."
      />
    </FormDialog>
  );
}

export function Invited({ all, onDone }: { all: readonly InvitationInfo[]; onDone: () => void }) {
  const [revoking, setRevoking] = useState<InvitationInfo>();
  const rows = all.filter(({ expires_at }) => expires_at > now.value);
  const columns: Column<InvitationInfo>[] = [
    { head: "Name", cell: ({ name }) => <strong>{name}</strong> },
    { head: "Role", cell: ({ role }) => role },
    { head: "Invited by", cell: ({ invited_by }) => invited_by.replace(/^operator\//, "") },
    { head: "Since", cell: ({ created_at }) => <Time at={created_at} /> },
    { head: "Good until", cell: ({ expires_at }) => <Time at={expires_at} /> },
  ];
  if (mayAdmin.value) {
    columns.push({
      head: "What can be done",
      bare: true,
      class: "cell-menu",
      cell: (it) => (
        <Button kind="quiet" label={`Take the invitation of ${it.name} back`} onClick={() => setRevoking(it)}>
          Take back
        </Button>
      ),
    });
  }
  return (
    <>
      {rows.length > 0 && (
        <section>
          <h2>Invited</h2>
          <Table label="Invited" columns={columns} rows={rows} id={({ name }) => name} />
        </section>
      )}
      {revoking && (
        <Confirm
          title={`Take the invitation of ${revoking.name} back?`}
          action="Take back"
          onConfirm={async () => {
            await rest("DELETE", `invitations/${revoking.name}`);
            toast(`${revoking.name} is invited no more`);
            onDone();
          }}
          onClose={() => setRevoking(undefined)}
        >
          <p>The link that was sent is good no more.</p>
        </Confirm>
      )}
    </>
  );
}
