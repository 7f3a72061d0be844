/** Letting an aspect in, and giving it another key: the pair is made here and its private half is never sent. */
import { useState } from "preact/hooks";
import { rest } from "../../link/rest";
import { aspectOf } from "../../state/team";
import { Check, Select } from "../../ui/choice";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { exact } from "../../ui/format";
import type { AspectRole } from "../../wire/frames";
import type { AspectKey, KeyRotated, NexusCa } from "../../wire/http";
import { type KeyFile, type KeyPair, makeKey, nameFault } from "./keys";
import { FileOnce } from "./once";

async function keyfileOf(name: string, url: string, pair: KeyPair): Promise<string> {
  const { nexus_id, ca_pem } = await rest<NexusCa>("GET", "ca");
  const file: KeyFile = {
    version: 1,
    name,
    nexus_id,
    url,
    ca_pem,
    private_key: pair.privatePem,
    public_key: pair.publicText,
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

interface Made {
  name: string;
  text: string;
  /** Until when the key before it is good. */
  until?: number | undefined;
}

interface AddProps {
  onClose: () => void;
  onDone: () => void;
}

export function AddAspect({ onClose, onDone }: AddProps) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<AspectRole>("worker");
  const [share, setShare] = useState(false);
  const [url, setUrl] = useState(window.location.origin);
  const [made, setMade] = useState<Made>();
  const known = aspectOf(name) !== undefined;
  const fault = nameFault(name) ?? (known ? `${name} is in already; rotate its key instead.` : undefined);
  const add = async () => {
    const pair = await makeKey();
    const text = await keyfileOf(name, url.trim(), pair);
    await rest<AspectKey>("POST", "aspects", {
      name,
      role,
      public_key: pair.publicText,
      share_knowledge: share,
    });
    setMade({ name, text });
    onDone();
  };
  if (made) {
    return (
      <FileOnce title={`${made.name} is in`} name={fileName(made.name)} text={made.text} onClose={onClose}>
        <p>
          Its key was made in your browser; the broker knows the public half alone. Put the file into the
          aspect’s home and start it:
        </p>
        <pre class="command" tabIndex={0}>
          {`agent new ${made.name}\ninstall -D -m 600 ${fileName(made.name)} ${made.name}/.nexus/key.json\nagent ${made.name}`}
        </pre>
      </FileOnce>
    );
  }
  return (
    <FormDialog
      title="Let an aspect in"
      action="Make its key and let it in"
      missing={name === "" || fault !== undefined ? "" : undefined}
      once
      failed={`${name} was not let in`}
      onSubmit={add}
      onClose={onClose}
    >
      <Field
        label="Name"
        mono
        value={name}
        onInput={setName}
        error={fault}
        hint="How the others mention it: @name."
        autocomplete="off"
        autocapitalize="off"
      />
      <Select
        label="Role"
        value={role}
        options={[
          { value: "worker", label: "worker" },
          { value: "frame", label: "lead: what people ask nobody in particular goes to it" },
        ]}
        onChange={(role) => setRole(role === "frame" ? "frame" : "worker")}
      />
      <Check
        label="May share knowledge"
        hint="Store entries that the whole team reads. It can be granted later, too."
        checked={share}
        onChange={setShare}
      />
      <Address url={url} onInput={setUrl} />
    </FormDialog>
  );
}

function Address({ url, onInput }: { url: string; onInput: (url: string) => void }) {
  return (
    <Field
      label="The broker’s address, as the agent reaches it"
      mono
      value={url}
      onInput={onInput}
      hint="It stands in the keyfile, and can be changed there later."
    />
  );
}

const fileName = (name: string) => `${name}.key.json`;

const OVERLAPS = [
  { value: "0", label: "end at once: its links close" },
  { value: "600", label: "stay good for 10 minutes" },
  { value: "3600", label: "stay good for an hour" },
  { value: "86400", label: "stay good for a day" },
];

interface RotateProps extends AddProps {
  name: string;
}

export function RotateKey({ name, onClose, onDone }: RotateProps) {
  const [overlap, setOverlap] = useState("600");
  const [url, setUrl] = useState(window.location.origin);
  const [made, setMade] = useState<Made>();
  const rotate = async () => {
    const pair = await makeKey();
    const text = await keyfileOf(name, url.trim(), pair);
    const { previous_until } = await rest<KeyRotated>("POST", `aspects/${name}/rotate`, {
      public_key: pair.publicText,
      overlap_s: Number(overlap),
    });
    setMade({ name, text, until: previous_until });
    onDone();
  };
  if (made) {
    return (
      <FileOnce title={`${name} has a new key`} name={fileName(name)} text={made.text} onClose={onClose}>
        <p>
          {made.until === undefined
            ? "The old key is good no more, and its links are closed. "
            : `The old key is good until ${exact(made.until)}. `}
          Put the file into its home; a running agent that sees it takes the key up by itself.
        </p>
        <pre class="command" tabIndex={0}>
          {`install -D -m 600 ${fileName(name)} ${name}/.nexus/key.json`}
        </pre>
      </FileOnce>
    );
  }
  return (
    <FormDialog
      title={`Rotate the key of ${name}`}
      action="Make a new key"
      once
      failed={`${name} keeps its old key`}
      onSubmit={rotate}
      onClose={onClose}
    >
      <Select
        label="The old key is to"
        value={overlap}
        options={OVERLAPS}
        onChange={setOverlap}
        hint="If the old key may be in the wrong hands, end it at once."
      />
      <Address url={url} onInput={setUrl} />
    </FormDialog>
  );
}
