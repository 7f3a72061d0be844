/** A button with a list of things to do. Arrow keys move, Escape closes. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

export interface MenuItem {
  label: ComponentChildren;
  act: () => void;
  danger?: boolean;
  disabled?: boolean;
}

interface Props {
  /** What the button says, for those who do not see its sign. */
  label: string;
  children: ComponentChildren;
  items: readonly MenuItem[];
  class?: string;
}

export function Menu({ label, children, items, class: name = "" }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const away = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);
  const key = (event: KeyboardEvent) => {
    const found = [...(root.current?.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)") ?? [])];
    const at = found.indexOf(document.activeElement as HTMLElement);
    if (event.key === "Escape") {
      setOpen(false);
      root.current?.querySelector("button")?.focus();
    } else if (event.key === "ArrowDown") found[(at + 1) % found.length]?.focus();
    else if (event.key === "ArrowUp") found[(at - 1 + found.length) % found.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class={`menu ${name}`} ref={root} onKeyDown={open ? key : undefined}>
      <button
        type="button"
        class="button button-quiet"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={label}
        title={label}
        onClick={() => setOpen(!open)}
      >
        {children}
      </button>
      {open && (
        <div class="menu-list" role="menu" aria-label={label}>
          {items.map((item, at) => (
            <button
              key={at}
              type="button"
              role="menuitem"
              class={item.danger === true ? "menu-item danger" : "menu-item"}
              disabled={item.disabled}
              onClick={() => {
                setOpen(false);
                item.act();
              }}
            >
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
