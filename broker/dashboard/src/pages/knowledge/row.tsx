/** A line of the list: an entry's topic, which opens it, and what is said about it. */
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import { to, useQuery } from "../../ui/query";

interface Props {
  from: string;
  topic: string;
  here: boolean;
  children: ComponentChildren;
}

export function Row({ from, topic, here, children }: Props) {
  const [query] = useQuery();
  const address = to("/knowledge", { ...query, of: from, topic, v: "", tab: "", entry: "" });
  return (
    <li class={here ? "row row-here" : "row"}>
      <Link href={address} class="row-topic" aria-current={here ? "true" : undefined}>
        {topic}
      </Link>
      {children}
    </li>
  );
}
