/** Keeping a secret, replacing it, and saying who may use it. What was typed goes to the broker and nowhere else. */
import { useState } from "preact/hooks";
import { rest } from "../../link/rest";
import { team } from "../../state/team";
import { Check, Select } from "../../ui/choice";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { toast } from "../../ui/toast";
import type { CredentialAdd, CredentialInfo, CredentialKind, CredentialMode } from "../../wire/http";
import { nameFault } from "./keys";

interface Done {
  onClose: () => void;
  onDone: () => void;
}

const KINDS: readonly CredentialKind[] = ["provider", "git", "jira", "imap", "custom"];
const MODES: readonly { value: CredentialMode; label: string }[] = [
  { value: "proxy", label: "the broker makes the calls; nobody gets the secret" },
  { value: "fetch", label: "an allowed aspect may fetch it" },
  { value: "both", label: "both" },
];

const oneOf = <T extends string>(text: string, all: readonly T[], otherwise: T): T =>
  all.find((it) => it === text) ?? otherwise;

export function AddCredential({ names, onClose, onDone }: Done & { names: readonly string[] }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState<CredentialKind>("provider");
  const [mode, setMode] = useState<CredentialMode>("proxy");
  const [url, setUrl] = useState("");
  const [header, setHeader] = useState("");
  const [allowed, setAllowed] = useState<readonly string[]>([]);
  const [secret, setSecret] = useState("");
  const taken = names.includes(name) ? `There is one called ${name}; it would be replaced whole.` : undefined;
  const fault = nameFault(name) ?? taken;
  const needsUrl = mode !== "fetch";
  const ready = name !== "" && fault === undefined && secret !== "" && (!needsUrl || url !== "");
  const add = async () => {
    const body: CredentialAdd = {
      name,
      kind,
      mode,
      allowed_aspects: [...allowed],
      secret,
      ...(url === "" ? {} : { base_url: url.trim() }),
      ...(header === "" ? {} : { header: header.trim() }),
    };
    await rest("POST", "credentials", body);
    toast(`${name} is kept; its secret is not shown again`);
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title="Keep a secret"
      action="Keep"
      missing={!ready ? "" : undefined}
      failed={`${name} is not kept`}
      onSubmit={add}
      onClose={onClose}
    >
      <Field
        label="Name"
        mono
        value={name}
        onInput={setName}
        error={fault}
        hint="What agents call it: anthropic."
      />
      <Select
        label="For"
        value={kind}
        options={KINDS.map((value) => ({
          value,
          label: value === "provider" ? "a provider of models" : value,
        }))}
        onChange={(kind) => setKind(oneOf(kind, KINDS, "custom"))}
      />
      <Select
        label="Use"
        value={mode}
        options={MODES}
        onChange={(mode) => setMode(oneOf(mode, ["proxy", "fetch", "both"] as const, "proxy"))}
      />
      <Field
        label="Where the broker’s calls go"
        mono
        value={url}
        onInput={setUrl}
        placeholder="https://api.example/v1"
        hint={needsUrl ? "https, or http on the broker’s machine" : "Not needed when it is fetched"}
      />
      <Field
        label="Header"
        mono
        value={header}
        onInput={setHeader}
        placeholder="authorization"
        hint="The secret goes into it; of authorization with Bearer in front."
      />
      <Secret value={secret} onInput={setSecret} />
      <Allowed allowed={allowed} onChange={setAllowed} />
    </FormDialog>
  );
}

function Secret({ value, onInput }: { value: string; onInput: (value: string) => void }) {
  return (
    <Field
      label="Secret"
      mono
      type="password"
      autocomplete="off"
      value={value}
      onInput={onInput}
      hint="Sealed by the broker, and never shown again."
    />
  );
}

interface AllowedProps {
  allowed: readonly string[];
  onChange: (allowed: readonly string[]) => void;
}

function Allowed({ allowed, onChange }: AllowedProps) {
  const names = [...new Set([...team.value.map(({ name }) => name), ...allowed])].sort();
  return (
    <fieldset class="allowed">
      <legend>Who may use it</legend>
      {names.length === 0 && <span class="quiet">There is no aspect yet.</span>}
      {names.map((name) => (
        <Check
          key={name}
          label={name}
          checked={allowed.includes(name)}
          onChange={(on) => onChange(on ? [...allowed, name].sort() : allowed.filter((it) => it !== name))}
        />
      ))}
    </fieldset>
  );
}

export function AllowCredential({ info, onClose, onDone }: Done & { info: CredentialInfo }) {
  const [allowed, setAllowed] = useState<readonly string[]>(info.allowed_aspects);
  const save = async () => {
    await rest("PUT", `credentials/${info.name}/allowed`, { allowed_aspects: allowed });
    toast(`${info.name} may be used by ${allowed.length === 0 ? "nobody" : allowed.join(", ")}`);
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title={`Who may use ${info.name}`}
      action="Save"
      failed="Nothing was changed"
      safe=""
      onSubmit={save}
      onClose={onClose}
    >
      <p class="quiet">To everybody else it is as if it were not there. The secret stays as it is.</p>
      <Allowed allowed={allowed} onChange={setAllowed} />
    </FormDialog>
  );
}

export function RotateCredential({ name, onClose, onDone }: Done & { name: string }) {
  const [secret, setSecret] = useState("");
  const rotate = async () => {
    await rest("PUT", `credentials/${name}/secret`, { secret });
    toast(`${name} has a new secret`);
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title={`A new secret for ${name}`}
      action="Replace"
      missing={secret === "" ? "" : undefined}
      failed="The old secret is still in use"
      safe=""
      onSubmit={rotate}
      onClose={onClose}
    >
      <Secret value={secret} onInput={setSecret} />
    </FormDialog>
  );
}
