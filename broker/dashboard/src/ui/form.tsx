/** A dialog that sends a form: Enter sends it, once; what went wrong is shown in it, and what was typed stays. */
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { link } from "../link/link";
import { asError } from "../link/use";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Fault } from "./fault";

interface Props {
  title: string;
  children: ComponentChildren;
  /** The verb. */
  action: string;
  /** The way out. */
  leave?: string;
  danger?: boolean;
  wide?: boolean;
  /** Why it cannot be sent yet; "" says nothing about it. */
  missing?: string | undefined;
  /** What it means when it fails: "The budget was not set". */
  failed: string;
  /** What is safe then. */
  safe?: string;
  /** What it leads to is shown once: it cannot be left while the broker is at that. */
  once?: boolean;
  onSubmit: () => Promise<unknown>;
  onClose: () => void;
}

export function FormDialog(props: Props) {
  const { title, children, action, leave = "Cancel", danger = false, missing, onSubmit, onClose } = props;
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const id = useId();
  const held = busy && props.once === true && link.state.value.at === "open";
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy || missing !== undefined) return;
    setError(undefined);
    setBusy(true);
    try {
      await onSubmit();
    } catch (error) {
      setError(asError(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title}
      wide={props.wide === true}
      held={held}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose} disabled={held}>
            {leave}
          </Button>
          <Button
            type="submit"
            form={id}
            kind={danger ? "danger" : "primary"}
            disabled={missing !== undefined}
            busy={busy}
            title={missing ?? ""}
          >
            {action}
          </Button>
        </>
      }
    >
      <form id={id} class="dialog-form" noValidate onSubmit={(event) => void submit(event)}>
        {children}
      </form>
      {error && <Fault what={props.failed} error={error} safe={props.safe ?? "Nothing was changed."} />}
    </Dialog>
  );
}
