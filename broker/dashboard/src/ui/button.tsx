/** Buttons. One that does something shows that it is at it, and cannot be pressed twice. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { asError } from "../link/use";
import { toast } from "./toast";

interface Props {
  children: ComponentChildren;
  /** A promise keeps the button busy; what it throws is shown unless `onError` takes it. */
  onClick?: (event: MouseEvent) => unknown;
  onError?: (error: Error) => void;
  kind?: "plain" | "primary" | "danger" | "quiet";
  type?: "button" | "submit";
  disabled?: boolean;
  busy?: boolean;
  /** The form it submits, if that is elsewhere. */
  form?: string;
  title?: string;
  label?: string;
  pressed?: boolean;
  expanded?: boolean;
  class?: string;
}

export function Button(props: Props) {
  const { children, onClick, onError, kind = "plain", type = "button", title, label } = props;
  const [working, setWorking] = useState(false);
  const busy = working || props.busy === true;
  const press = async (event: MouseEvent) => {
    const done = onClick?.(event);
    if (!(done instanceof Promise)) return;
    setWorking(true);
    try {
      await done;
    } catch (error) {
      if (onError) onError(asError(error));
      else toast(asError(error).message, "failed");
    } finally {
      setWorking(false);
    }
  };
  return (
    <button
      type={type}
      form={props.form}
      class={`button button-${kind} ${props.class ?? ""}`}
      onClick={(event) => void press(event)}
      disabled={props.disabled === true || busy}
      aria-busy={busy}
      aria-label={label}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      title={title}
    >
      {children}
    </button>
  );
}
