/** A dialog over the page: the browser's own, so focus stays in it and Escape closes it. */
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Button } from "./button";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** Buttons below; without any there is one that closes. */
  actions?: ComponentChildren;
  wide?: boolean;
  /** It stays open whatever is pressed. */
  held?: boolean;
}

export function Dialog({ title, onClose, children, actions, wide = false, held = false }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before anything else is typed: the next key is already for the dialog.
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={id}
      // Not by the browser, which tells it only later: a key pressed by then would open what is closed again at once.
      onCancel={(event) => {
        event.preventDefault();
        if (!held) onClose();
      }}
      // A browser lets nobody keep it open a second time.
      onClose={() => dialog.current && (held ? dialog.current.showModal() : onClose())}
      onClick={(event) => event.target === dialog.current && !held && onClose()}
    >
      <div class="dialog-body">
        <h2 id={id}>{title}</h2>
        {children}
        <div class="dialog-actions">{actions ?? <Button onClick={onClose}>Close</Button>}</div>
      </div>
    </dialog>
  );
}

interface Confirm {
  title: string;
  /** What will happen, and what it does not touch. */
  children: ComponentChildren;
  /** The verb. */
  action: string;
  danger?: boolean;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something that cannot be taken back. */
export function Confirm({ title, children, action, danger = true, onConfirm, onClose }: Confirm) {
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind={danger ? "danger" : "primary"} onClick={() => onConfirm().then(onClose)}>
            {action}
          </Button>
        </>
      }
    >
      {children}
    </Dialog>
  );
}
