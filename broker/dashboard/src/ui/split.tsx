/** A list, and beside it what is open of it. Where there is no room for both, that alone is shown. */
import type { ComponentChildren } from "preact";
import { Button } from "./button";
import "./split.css";

interface Props {
  list: ComponentChildren;
  /** Whether something is open. */
  open: boolean;
  children: ComponentChildren;
  /** The two share the page two to three, with a line between them. */
  shared?: boolean;
  class?: string;
}

export function Split({ list, open, children, shared = false, class: name }: Props) {
  const classes = ["split", open && "split-open", shared && "split-shared", name].filter(Boolean);
  return (
    <div class={classes.join(" ")}>
      <div class="split-list">{list}</div>
      {children}
    </div>
  );
}

interface HeadProps {
  title: ComponentChildren;
  /** Beside the title: a state, an id. */
  children?: ComponentChildren;
  tools?: ComponentChildren;
  onClose: () => void;
}

/** The head of what is open: what it is, what can be done with it, and the way back. */
export function BesideHead({ title, children, tools, onClose }: HeadProps) {
  return (
    <header class="beside-head">
      <h2 class="mono">{title}</h2>
      {children}
      <span class="beside-tools">
        {tools}
        <Button kind="quiet" label="Close" title="Close (Escape)" onClick={onClose}>
          ✕
        </Button>
      </span>
    </header>
  );
}
