/** Asks for a name to be typed before something that shuts somebody out. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Field } from "./field";
import { FormDialog } from "./form";

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
  const confirm = async () => {
    await onConfirm();
    onClose();
  };
  return (
    <FormDialog
      title={title}
      action={action}
      danger
      missing={typed !== name ? "" : undefined}
      failed="It was not done"
      onSubmit={confirm}
      onClose={onClose}
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
    </FormDialog>
  );
}
