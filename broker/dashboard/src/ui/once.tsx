/** What is shown once and never again: a keyfile to download, a token to copy. Closing it unkept is asked about. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Mark } from "./mark";
import "./once.css";

interface Props {
  title: string;
  /** What it is: "keyfile". */
  what: string;
  /** A way to keep it; `kept` says that it was taken. */
  keep: (kept: () => void) => ComponentChildren;
  children: ComponentChildren;
  onClose: () => void;
}

export function Once({ title, what, keep, children, onClose }: Props) {
  const [kept, setKept] = useState(false);
  const [warned, setWarned] = useState(false);
  const close = () => {
    if (kept || warned) onClose();
    else setWarned(true);
  };
  return (
    // The browser closes a dialog at Escape whatever we say, so the warning is in one of its own.
    <Dialog
      key={String(warned)}
      title={title}
      onClose={close}
      actions={
        <Button kind={kept ? "primary" : warned ? "danger" : "plain"} onClick={close}>
          {kept ? "Done" : warned ? "Close without it" : "Close"}
        </Button>
      }
    >
      {warned && !kept && (
        <p role="alert">
          <Mark tone="failed" word="warning" bare /> You have not kept the {what}. It is nowhere else: once
          this is closed, a new one has to be made.
        </p>
      )}
      {children}
      <div>{keep(() => setKept(true))}</div>
      <p role="status" class="quiet">
        {kept ? <Mark tone="online" word={`The ${what} is yours now; it is not shown again.`} /> : ""}
      </p>
    </Dialog>
  );
}

interface SecretProps {
  title: string;
  what: string;
  secret: string;
  children?: ComponentChildren;
  onClose: () => void;
}

export function SecretOnce({ title, what, secret, children, onClose }: SecretProps) {
  const [refused, setRefused] = useState(false);
  return (
    <Once
      title={title}
      what={what}
      onClose={onClose}
      keep={(kept) => (
        <div class="secret">
          <input
            class="input mono"
            readOnly
            aria-label={`The ${what}`}
            value={secret}
            onFocus={(event) => event.currentTarget.select()}
            onCopy={kept}
          />
          <Button
            kind="primary"
            onClick={() => navigator.clipboard.writeText(secret).then(kept, () => setRefused(true))}
          >
            Copy
          </Button>
          {refused && (
            <p class="field-hint">The browser does not let pages copy here: mark it and press Ctrl+C.</p>
          )}
        </div>
      )}
    >
      {children}
    </Once>
  );
}
