/** Ways to look at the same page, side by side; each has an address of its own. */
import { Link } from "wouter-preact";
import type { ComponentChildren } from "preact";
import "./tabs.css";

export interface TabOf {
  href: string;
  title: ComponentChildren;
  here: boolean;
}

export function Tabs({ label, tabs }: { label: string; tabs: readonly TabOf[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(({ href, title, here }) => (
        <Link
          key={href}
          href={href}
          class={here ? "tab tab-here" : "tab"}
          aria-current={here ? "page" : undefined}
        >
          {title}
        </Link>
      ))}
    </nav>
  );
}
