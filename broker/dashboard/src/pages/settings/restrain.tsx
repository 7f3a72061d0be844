/** Keeping an aspect off, or from work, until somebody releases it. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { asError } from "../../link/use";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";
import { toast } from "../../ui/toast";
import type { RestraintKind } from "../../wire/frames";

interface Props {
  name: string;
  kind: RestraintKind;
  onClose: () => void;
}

const WHAT: Record<RestraintKind, string> = {
  held: "Its link is closed and it is kept off until you release it. What it works on is lost to it at once: it is tried again where that is safe, and fails where not.",
  paused:
    "It stays connected and finishes what it has, and is given no more work until you release it. It is shown as offline.",
};

export function Restrain({ name, kind, onClose }: Props) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState<Error>();
  const [id] = useState(() => uuidv7());
  const restrain = async () => {
    try {
      await link.ask("aspect.restrain", { name, kind, reason: reason.trim() }, id);
      toast(`${name} is ${kind}`);
      onClose();
    } catch (error) {
      setError(asError(error));
    }
  };
  const verb = kind === "held" ? "Hold" : "Pause";
  return (
    <Dialog
      title={`${verb} ${name}?`}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" disabled={reason.trim() === ""} onClick={restrain}>
            {verb}
          </Button>
        </>
      }
    >
      <p>{WHAT[kind]}</p>
      <Field
        label="Why"
        value={reason}
        onInput={setReason}
        maxLength={256}
        hint="Everybody sees it beside the aspect, and its process is told."
      />
      {error && <Fault what={`${name} was not ${kind}`} error={error} />}
    </Dialog>
  );
}
