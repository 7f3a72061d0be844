/** The frame of a page: its title, what can be done on it, its content. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

interface Props {
  title: string;
  /** Beside the title: a count, a filter, buttons. */
  actions?: ComponentChildren;
  children: ComponentChildren;
  /** The content fills the window and scrolls inside, as Chat does. */
  fills?: boolean;
}

export function Page({ title, actions, children, fills = false }: Props) {
  useEffect(() => {
    document.title = `${title} · Nexus`;
  }, [title]);
  return (
    <section class={fills ? "page page-fills" : "page"} aria-label={title}>
      <header class="page-head">
        <h1>{title}</h1>
        <div class="page-actions">{actions}</div>
      </header>
      <div class="page-body">{children}</div>
    </section>
  );
}
