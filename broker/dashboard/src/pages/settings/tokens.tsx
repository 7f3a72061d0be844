/** API tokens of a person: which there are and when each was last used; made, shown once, revoked. */
import { useState } from "preact/hooks";
import { rest } from "../../link/rest";
import { asError, useLoad } from "../../link/use";
import { Button } from "../../ui/button";
import { Select } from "../../ui/choice";
import { Confirm, Dialog } from "../../ui/dialog";
import { Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";
import { SecretOnce } from "../../ui/once";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { TokenAdd, TokenInfo, TokenList, TokenMade } from "../../wire/http";
import { nameFault } from "./keys";

const DAY_S = 86_400;

const LIFETIMES = [
  { value: "", label: "until it is revoked" },
  { value: String(7 * DAY_S), label: "7 days" },
  { value: String(30 * DAY_S), label: "30 days" },
  { value: String(90 * DAY_S), label: "90 days" },
  { value: String(365 * DAY_S), label: "a year" },
];

export function Tokens({ name, onChange }: { name: string; onChange?: () => void }) {
  const list = useLoad(() => rest<TokenList>("GET", `operators/${name}/tokens`), [name]);
  const [label, setLabel] = useState("");
  const [lifetime, setLifetime] = useState(String(90 * DAY_S));
  const [made, setMade] = useState<TokenMade>();
  const [revoking, setRevoking] = useState<TokenInfo>();
  const [error, setError] = useState<Error>();
  const rows = list.value?.tokens;
  const taken = rows?.some((it) => it.name === label) === true ? `There is one called ${label}.` : undefined;
  const fault = nameFault(label) ?? taken;
  const changed = () => {
    list.reload();
    onChange?.();
  };
  const add = async () => {
    setError(undefined);
    const body: TokenAdd = { name: label, ...(lifetime === "" ? {} : { expires_in_s: Number(lifetime) }) };
    try {
      setMade(await rest<TokenMade>("POST", `operators/${name}/tokens`, body));
      setLabel("");
      changed();
    } catch (error) {
      setError(asError(error));
    }
  };
  const revoke = async (token: TokenInfo) => {
    await rest("DELETE", `operators/${name}/tokens/${token.name}`);
    toast(`The token ${token.name} is good no more`);
    changed();
  };
  const columns: Column<TokenInfo>[] = [
    { head: "Token", cell: (it) => <strong>{it.name}</strong> },
    { head: "Made", cell: (it) => <Time at={it.created_at} /> },
    {
      head: "Last used",
      cell: (it) =>
        it.last_used_at === undefined ? <span class="quiet">never</span> : <Time at={it.last_used_at} />,
    },
    {
      head: "Good until",
      cell: (it) =>
        it.expires_at === undefined ? <span class="quiet">it is revoked</span> : <Time at={it.expires_at} />,
    },
    {
      head: "What can be done",
      bare: true,
      class: "cell-menu",
      cell: (it) => (
        <Button kind="quiet" label={`Revoke the token ${it.name}`} onClick={() => setRevoking(it)}>
          Revoke
        </Button>
      ),
    },
  ];
  return (
    <>
      {list.loading && <Loading what="tokens" />}
      {list.error && !rows && (
        <Fault what="The tokens could not be read" error={list.error} retry={list.reload} />
      )}
      {rows?.length === 0 && (
        <p class="quiet">No token is good: nexctl and scripts cannot get in as {name}.</p>
      )}
      {rows !== undefined && rows.length > 0 && (
        <Table label={`API tokens of ${name}`} columns={columns} rows={rows} id={(it) => it.name} />
      )}
      <form class="settings-form" onSubmit={(event) => event.preventDefault()}>
        <Field
          label="A further token, for"
          mono
          value={label}
          onInput={setLabel}
          error={fault}
          placeholder="laptop"
          hint="The machine or the program it is for"
        />
        <Select label="Good for" value={lifetime} options={LIFETIMES} onChange={setLifetime} />
        <div>
          <Button type="submit" disabled={label === "" || fault !== undefined} onClick={add}>
            Make a token
          </Button>
        </div>
        {error && <Fault what="No token was made" error={error} safe="" />}
      </form>
      {made?.token !== undefined && (
        <SecretOnce
          title={`The token ${made.token_info.name}`}
          what="token"
          secret={made.token}
          onClose={() => setMade(undefined)}
        >
          <p>Whoever has it is {name} to the broker. It is shown once.</p>
        </SecretOnce>
      )}
      {revoking && (
        <Confirm
          title={`Revoke the token ${revoking.name}?`}
          action="Revoke"
          onConfirm={() => revoke(revoking)}
          onClose={() => setRevoking(undefined)}
        >
          <p>What uses it is shut out at once: its links close.</p>
        </Confirm>
      )}
    </>
  );
}

interface Props {
  name: string;
  onClose: () => void;
  onDone: () => void;
}

export function TokensDialog({ name, onClose, onDone }: Props) {
  return (
    <Dialog wide title={`API tokens of ${name}`} onClose={onClose}>
      <Tokens name={name} onChange={onDone} />
    </Dialog>
  );
}
