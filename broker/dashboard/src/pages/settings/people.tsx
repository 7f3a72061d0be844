/** People: who may look, act and administer; how each gets in. */
import { useState } from "preact/hooks";
import { rest } from "../../link/rest";
import { useLoad, useLog, useSoon } from "../../link/use";
import { mayAdmin, me } from "../../state/session";
import { Button } from "../../ui/button";
import { Check } from "../../ui/choice";
import { Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Mark } from "../../ui/mark";
import { Menu } from "../../ui/menu";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { OperatorInfo, Operators } from "../../wire/http";
import { Invite, Invited } from "./invite";
import { OnlyAdmins } from "./only";
import { AddPerson, ChangeRole, ResetPassword } from "./person";
import { TokensDialog } from "./tokens";
import { TypedConfirm } from "../../ui/typed";

type Doing =
  | { what: "add" }
  | { what: "invite" }
  | { what: "role" | "password" | "tokens" | "revoke"; person: OperatorInfo };

export function People() {
  const list = useLoad(() => rest<Operators>("GET", "operators"), []);
  const [doing, setDoing] = useState<Doing>();
  const [gone, setGone] = useState(false);
  const again = useSoon(list.reload);
  useLog(({ body }) => {
    if (body.type === "other" && /^(operator|setup)\./.test(body.kind)) again();
  });
  const all = list.value?.operators;
  const rows = all?.filter(({ revoked_at }) => gone || revoked_at === undefined);
  const left = all?.filter(({ revoked_at }) => revoked_at !== undefined).length ?? 0;
  const columns: Column<OperatorInfo>[] = [
    {
      head: "Name",
      cell: ({ name }) => (
        <>
          <strong>{name}</strong> {name === me.value?.operator && <span class="quiet">(you)</span>}
        </>
      ),
    },
    { head: "Role", cell: ({ role }) => role },
    {
      head: "State",
      cell: ({ revoked_at }) =>
        revoked_at === undefined ? (
          <Mark tone="online" word="in" />
        ) : (
          <>
            <Mark tone="failed" word="revoked" /> <Time at={revoked_at} />
          </>
        ),
    },
    {
      head: "Password",
      cell: ({ has_password }) => (has_password === true ? "set" : <span class="quiet">none</span>),
    },
    { head: "Tokens", number: true, cell: ({ tokens }) => tokens?.length ?? 0 },
    { head: "Logged in", number: true, cell: ({ sessions }) => sessions ?? 0 },
    { head: "Since", cell: ({ created_at }) => <Time at={created_at} /> },
  ];
  if (mayAdmin.value) {
    columns.push({
      head: "What can be done",
      bare: true,
      class: "cell-menu",
      cell: (person) => <Actions person={person} open={setDoing} />,
    });
  }
  return (
    <section class="settings" aria-label="People">
      <p class="quiet">
        A viewer looks. An operator speaks, dispatches, answers and cancels. An admin lets others in and out,
        too.
      </p>
      <OnlyAdmins what="who is let in" />
      {mayAdmin.value && (
        <div class="settings-row">
          <Button kind="primary" onClick={() => setDoing({ what: "invite" })}>
            Invite a person
          </Button>
          <Button onClick={() => setDoing({ what: "add" })}>Let a person in</Button>
        </div>
      )}
      {list.loading && <Loading what="people" />}
      {list.error && !rows && (
        <Fault what="The people could not be read" error={list.error} retry={list.reload} />
      )}
      {rows !== undefined && <Table label="People" columns={columns} rows={rows} id={({ name }) => name} />}
      {left > 0 && <Check label={`Show the ${left} who were shut out`} checked={gone} onChange={setGone} />}
      <Invited all={list.value?.invitations ?? []} onDone={list.reload} />
      <Open
        doing={doing}
        names={all?.filter(({ revoked_at }) => revoked_at === undefined).map(({ name }) => name) ?? []}
        onClose={() => setDoing(undefined)}
        onDone={list.reload}
      />
    </section>
  );
}

function Actions({ person, open }: { person: OperatorInfo; open: (doing: Doing) => void }) {
  if (person.revoked_at !== undefined) return null;
  const self = person.name === me.value?.operator;
  return (
    <Menu
      label={`What can be done with ${person.name}`}
      items={[
        // Nobody takes the admin's role from themselves by a slip; another admin can.
        { label: "Role…", act: () => open({ what: "role", person }), disabled: self },
        { label: "API tokens…", act: () => open({ what: "tokens", person }) },
        ...(self ? [] : [{ label: "Set the password…", act: () => open({ what: "password", person }) }]),
        { label: "Revoke…", act: () => open({ what: "revoke", person }), danger: true, disabled: self },
      ]}
    >
      <span aria-hidden="true">⋯</span>
    </Menu>
  );
}

interface OpenProps {
  doing: Doing | undefined;
  names: readonly string[];
  onClose: () => void;
  onDone: () => void;
}

function Open({ doing, names, onClose, onDone }: OpenProps) {
  if (doing === undefined) return null;
  if (doing.what === "add") return <AddPerson names={names} onClose={onClose} onDone={onDone} />;
  if (doing.what === "invite") return <Invite names={names} onClose={onClose} onDone={onDone} />;
  const { person } = doing;
  switch (doing.what) {
    case "role":
      return <ChangeRole person={person} onClose={onClose} onDone={onDone} />;
    case "password":
      return <ResetPassword name={person.name} onClose={onClose} onDone={onDone} />;
    case "tokens":
      return <TokensDialog name={person.name} onClose={onClose} onDone={onDone} />;
    case "revoke":
      return (
        <TypedConfirm
          title={`Revoke ${person.name}?`}
          name={person.name}
          action="Revoke"
          onClose={onClose}
          onConfirm={async () => {
            await rest("DELETE", `operators/${person.name}`);
            toast(`${person.name} is shut out`);
            onDone();
          }}
        >
          <p>
            Their tokens, password and sessions are good no more, and their links close at once. What they
            said and did stays. They can be let in again, with nothing but what they are given then.
          </p>
        </TypedConfirm>
      );
  }
}
