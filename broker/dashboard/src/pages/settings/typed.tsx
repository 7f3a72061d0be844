/** Asks for a name to be typed before something that shuts somebody out. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { asError } from "../../link/use";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";

interface Props {
  title: string;
  /** What has to be typed. */
  name: string;
  /** What will happen, and what it does not touch. */
  children: ComponentChildren;
  action: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

export function TypedConfirm({ title, name, children, action, onConfirm, onClose }: Props) {
  const [typed, setTyped] = useState("");
  const [error, setError] = useState<Error>();
  const confirm = async () => {
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      setError(asError(error));
    }
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" disabled={typed !== name} onClick={confirm}>
            {action}
          </Button>
        </>
      }
    >
      {children}
      <Field
        label={`Type ${name} to confirm`}
        mono
        value={typed}
        onInput={setTyped}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
      />
      {error && <Fault what="It was not done" error={error} />}
    </Dialog>
  );
}
