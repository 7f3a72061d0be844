/** Where a trigger is made, or one that is there is changed: when, who is set to work with what, and what else goes for it. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../../link/ids";
import { link } from "../../../link/link";
import { useAsk } from "../../../link/use";
import { myParty } from "../../../state/session";
import { team } from "../../../state/team";
import { Field } from "../../../ui/field";
import { FormDialog } from "../../../ui/form";
import { toast } from "../../../ui/toast";
import type { TriggerInfo } from "../../../wire/frames";
import { offers } from "../../work/wanted";
import { bringsItsSecret, EMPTY, type Form, formOf, missing, triggerOf } from "./form";
import { type Door, Made } from "./made";
import { More } from "./more";
import { When } from "./when";
import { Work } from "./work";

/** Flows there are to choose from. */
const FLOWS = 200;
const NAME = /^[a-z][a-z0-9-]{0,31}$/;

interface Props {
  /** The one that is changed; without it one is made. */
  of?: TriggerInfo;
  /** Of all triggers. */
  names: readonly string[];
  onClose: () => void;
  onSet: (name: string) => void;
}

function begin(of: TriggerInfo | undefined): Form {
  if (of) return formOf(of.definition);
  const all = offers(team.value);
  return {
    ...EMPTY,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    aspect: team.value[0]?.name ?? "",
    hand: (all.find(({ spec }) => spec.name !== "self") ?? all[0])?.name ?? "",
  };
}

export function TriggerForm({ of: opened, names, onClose, onSet }: Props) {
  // What becomes of it while this is open is told when it is set, and not mixed in.
  const [base] = useState(opened);
  const [form, setForm] = useState(() => begin(base));
  const [id, setId] = useState(() => uuidv7());
  const [secretId, setSecretId] = useState(() => uuidv7());
  // Nobody's change is written over unseen: it is this definition that is changed, or there is none yet.
  const [seen, setSeen] = useState({ name: base?.definition.name, at: base?.defined_at });
  /** It is set, and has yet to get its secret. */
  const [isSet, setIsSet] = useState(false);
  const [door, setDoor] = useState<Door>();
  const { value: known } = useAsk("flow.list", { limit: FLOWS });
  const flows = (known?.flows ?? []).map(({ id }) => id);
  // Another form is another request; the same one sent again is not.
  const set = (more: Partial<Form>) => {
    setForm({ ...form, ...more });
    setId(uuidv7());
    setSecretId(uuidv7());
  };
  const nameFault = base ? undefined : faultOf(form.name.trim(), isSet ? [] : names);
  const hook = base?.hook !== undefined && isSamePreset(form, base) ? base.hook : undefined;

  const submit = async () => {
    const definition = triggerOf(form, base?.definition);
    const at = definition.name === seen.name ? seen.at : undefined;
    const info = await link.ask("trigger.put", { ...definition, if_defined_at: at ?? 0 }, id);
    const { name } = info.definition;
    setIsSet(true);
    setSeen({ name, at: info.defined_at });
    setId(uuidv7());
    onSet(name);
    if (form.when !== "webhook") {
      toast(base ? `${name} is changed` : `${name} is set`);
      onClose();
      return;
    }
    const secret = form.secret.trim();
    const has = info.hook?.secret_since !== undefined;
    if (secret !== "" || (!has && !bringsItsSecret(form.preset))) {
      const asked = { trigger: name, ...(secret === "" ? {} : { secret }) };
      const rotated = await link.ask("trigger.rotate", asked, secretId);
      setDoor({ ...rotated, ready: true });
    } else if (base && has) {
      toast(`${name} is changed`);
      onClose();
    } else {
      setDoor({ trigger: name, path: info.hook?.path ?? "", ready: has });
    }
  };

  if (door) return <Made door={door} onClose={onClose} />;
  const name = base?.definition.name;
  return (
    <FormDialog
      title={name === undefined ? "New trigger" : `Change ${name}`}
      action={name === undefined ? "Set" : "Change"}
      wide
      once={form.when === "webhook"}
      missing={nameFault ?? missing(form)}
      failed={
        isSet
          ? "It is set, and has no new secret"
          : base
            ? "The trigger was not changed"
            : "The trigger was not set"
      }
      safe={isSet ? "Try again here, or give it one with Change." : "What you typed is still here."}
      onSubmit={submit}
      onClose={onClose}
    >
      {name === undefined && (
        <Field
          label="Name"
          mono
          autoFocus
          autocomplete="off"
          value={form.name}
          onInput={(name) => set({ name })}
          error={nameFault}
          hint="Small letters, digits and hyphens"
        />
      )}
      {base && base.owner !== myParty.value && (
        <p>
          It acts as <span class="mono">{base.owner}</span>. Once you have changed it, it acts as you.
        </p>
      )}
      <When form={form} set={set} triggers={names.filter((it) => it !== name)} flows={flows} hook={hook} />
      <Work form={form} set={set} flows={flows} />
      <More form={form} set={set} />
    </FormDialog>
  );
}

function faultOf(name: string, names: readonly string[]): string | undefined {
  if (name === "") return undefined;
  if (!NAME.test(name)) return "Small letters, digits and hyphens, a letter first; 32 at most";
  return names.includes(name) ? `There is a trigger ${name} already; change it there` : undefined;
}

/** A secret belongs to a service. */
function isSamePreset(form: Form, { definition: { when } }: TriggerInfo): boolean {
  return typeof when === "object" && "webhook" in when && (when.webhook.preset ?? "generic") === form.preset;
}
