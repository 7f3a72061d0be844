/** Letting a person in, by a password or an API token; another role; another password. */
import { useState } from "preact/hooks";
import { rest } from "../../link/rest";
import { Segments, Select } from "../../ui/choice";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { SecretOnce } from "../../ui/once";
import { toast } from "../../ui/toast";
import type { OperatorAdd, OperatorInfo, OperatorRole } from "../../wire/http";
import { NAME_HINT, makeToken, nameFault, sha256Hex } from "./keys";

interface Done {
  onClose: () => void;
  onDone: () => void;
}

export const ROLES: readonly { value: OperatorRole; label: string }[] = [
  { value: "viewer", label: "viewer: looks" },
  { value: "operator", label: "operator: speaks, dispatches, answers, cancels" },
  { value: "admin", label: "admin: lets others in and out, too" },
];

const PASSWORD_MIN = 10;

export const roleOf = (text: string): OperatorRole =>
  ROLES.find(({ value }) => value === text)?.value ?? "viewer";

export const passwordFault = (password: string): string | undefined =>
  password !== "" && password.length < PASSWORD_MIN ? `At least ${PASSWORD_MIN} characters.` : undefined;

export function AddPerson({ names, onClose, onDone }: Done & { names: readonly string[] }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<OperatorRole>("operator");
  const [way, setWay] = useState<"password" | "token">("password");
  const [password, setPassword] = useState("");
  const [token, setToken] = useState<string>();
  const taken = names.includes(name) ? `${name} is in already.` : undefined;
  const fault = nameFault(name) ?? taken;
  const ready =
    name !== "" &&
    fault === undefined &&
    (way === "token" || (password !== "" && passwordFault(password) === undefined));
  const add = async () => {
    const made = makeToken();
    const body: OperatorAdd = { name, role, token_sha256: await sha256Hex(made) };
    await rest("POST", "operators", body);
    if (way === "token") {
      setToken(made);
    } else {
      await rest("PUT", `operators/${name}/password`, { password });
      // The token they were let in with is known to nobody.
      await rest("DELETE", `operators/${name}/tokens/first`);
      toast(`${name} is in, and logs in with the password you chose`);
      onClose();
    }
    onDone();
  };
  if (token !== undefined) {
    return (
      <SecretOnce title={`${name} is in`} what="token" secret={token} onClose={onClose}>
        <p>
          Give {name} this API token. It was made in your browser, and the broker knows its digest alone. With
          it they log in here, or use nexctl.
        </p>
      </SecretOnce>
    );
  }
  return (
    <FormDialog
      title="Let a person in"
      action="Let them in"
      missing={!ready ? "" : undefined}
      once
      failed={`${name} was not let in whole`}
      safe="Look at the list for what is done already."
      onSubmit={add}
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
      <Segments
        label="They get in with"
        value={way}
        options={[
          { value: "password", label: "A password" },
          { value: "token", label: "An API token" },
        ]}
        onChange={setWay}
      />
      {way === "password" ? (
        <Field
          label="Password"
          type="password"
          autocomplete="new-password"
          value={password}
          onInput={setPassword}
          error={passwordFault(password)}
          hint={`At least ${PASSWORD_MIN} characters. They can change it under Settings, You.`}
        />
      ) : (
        <p class="quiet">It is made here and shown once.</p>
      )}
    </FormDialog>
  );
}

export function ChangeRole({ person, onClose, onDone }: Done & { person: OperatorInfo }) {
  const [role, setRole] = useState(person.role);
  const change = async () => {
    await rest("PUT", `operators/${person.name}/role`, { role });
    toast(`${person.name} is ${role} now`);
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title={`The role of ${person.name}`}
      action="Change"
      missing={role === person.role ? "" : undefined}
      failed="The role stays as it is"
      safe=""
      onSubmit={change}
      onClose={onClose}
    >
      <Select
        label="Role"
        value={role}
        options={ROLES}
        onChange={(role) => setRole(roleOf(role))}
        hint="It is in force at once; what they get in with stays."
      />
    </FormDialog>
  );
}

export function ResetPassword({ name, onClose, onDone }: Done & { name: string }) {
  const [password, setPassword] = useState("");
  const set = async () => {
    await rest("PUT", `operators/${name}/password`, { password });
    toast(`${name} has a new password`);
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title={`A new password for ${name}`}
      action="Set"
      missing={password === "" || passwordFault(password) !== undefined ? "" : undefined}
      failed="The old password is still good"
      safe=""
      onSubmit={set}
      onClose={onClose}
    >
      <Field
        label="Password"
        type="password"
        autocomplete="new-password"
        value={password}
        onInput={setPassword}
        error={passwordFault(password)}
        hint="It ends their sessions in browsers; API tokens stay."
      />
    </FormDialog>
  );
}
