/** What of the log is shown: by whom, of which kind, about what, from when to when. It stands in the address. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { myParty } from "../../state/session";
import { team } from "../../state/team";
import { Button } from "../../ui/button";
import { useQuery } from "../../ui/query";
import { FAMILIES } from "./words";

const NAMES = ["by", "kind", "subject", "thread", "since", "until"] as const;

/** Typing goes out when it pauses. */
const PAUSE_MS = 300;

export function Filters() {
  const [query, setQuery] = useQuery();
  const parties = [...team.value.map(({ name }) => name), myParty.value, "system"];
  // A phone has room for the log only while filters are folded away.
  const [wide] = useState(() => matchMedia("(width >= 640px)").matches);
  const any = NAMES.some((name) => query[name] !== undefined);
  return (
    <form
      class="audit-filters"
      role="search"
      aria-label="Filters"
      onSubmit={(event) => event.preventDefault()}
    >
      <Text name="by" label="By" placeholder="anybody" options={parties} search />
      <Text name="kind" label="Kind" placeholder="any kind or family" options={FAMILIES} />
      <Folded
        open={wide || ["subject", "thread", "since", "until"].some((name) => query[name] !== undefined)}
      >
        <Text name="subject" label="About" placeholder="an id or a name" options={[]} />
        {query.thread !== undefined && <Text name="thread" label="Thread" placeholder="" options={[]} />}
        <Moment name="since" label="From" />
        <Moment name="until" label="Until" />
      </Folded>
      <Button
        pressed={query.kind === "refused"}
        onClick={() => setQuery({ kind: query.kind === "refused" ? "" : "refused" }, true)}
      >
        Refusals
      </Button>
      {any && (
        <Button kind="quiet" onClick={() => setQuery(Object.fromEntries(NAMES.map((name) => [name, ""])))}>
          Take filters away
        </Button>
      )}
    </form>
  );
}

function Folded({ open, children }: { open: boolean; children: ComponentChildren }) {
  return (
    <details class="audit-folded" open={open}>
      <summary>More filters</summary>
      <div class="audit-filters">{children}</div>
    </details>
  );
}

interface TextProps {
  name: (typeof NAMES)[number];
  label: string;
  placeholder: string;
  options: readonly string[];
  search?: boolean;
}

function Text({ name, label, placeholder, options, search = false }: TextProps) {
  const [query, setQuery] = useQuery();
  const id = useId();
  const now = query[name] ?? "";
  const [text, setText] = useState(now);
  useEffect(() => setText(now), [now]);
  useEffect(() => {
    if (text === now) return;
    const timer = setTimeout(() => setQuery({ [name]: text.trim() }, true), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="audit-filter">
      <span>{label}</span>
      <input
        class="input"
        list={options.length > 0 ? id : undefined}
        placeholder={placeholder}
        value={text}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
        {...(search ? { "data-search": true } : {})}
      />
      {options.length > 0 && (
        <datalist id={id}>
          {options.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
    </label>
  );
}

function Moment({ name, label }: { name: "since" | "until"; label: string }) {
  const [query, setQuery] = useQuery();
  return (
    <label class="audit-filter">
      <span>{label}</span>
      <input
        class="input"
        type="datetime-local"
        value={query[name] ?? ""}
        onChange={(event) => setQuery({ [name]: event.currentTarget.value }, true)}
      />
    </label>
  );
}
