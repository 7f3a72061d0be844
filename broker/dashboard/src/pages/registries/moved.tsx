/** Somebody has changed the definition meanwhile: what they made of it, beside what is about to be written. */
import { Mark } from "../../ui/mark";
import { Party } from "../../ui/party";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import type { Registry, RegistryInfo } from "../../wire/frames";
import { Value } from "./conflict";
import { type Difference, type Draft, differences, registryOf } from "./draft";

interface Props {
  /** As it was when the writing began. */
  base: Registry;
  draft: Draft;
  /** As it is now, if it is there. */
  info: RegistryInfo | undefined;
}

export function Moved({ base, draft, info }: Props) {
  const read = registryOf(draft);
  return (
    <div class="conflict" role="alert">
      <p>
        <Mark tone="deaf" word="conflict" />{" "}
        {info ? (
          <>
            The definition was changed meanwhile by <Party party={info.by} />, <Time at={info.at} />: version{" "}
            {info.version}. Where you changed nothing, theirs stays.
          </>
        ) : (
          "The registry was deleted meanwhile."
        )}
      </p>
      {info && "registry" in read && (
        <Table
          label="Yours and theirs"
          columns={columns}
          rows={differences(base, read.registry, info.registry)}
          id={({ part }) => part}
        />
      )}
    </div>
  );
}

const columns: Column<Difference>[] = [
  { head: "What", cell: ({ part }) => <span class="mono">{part}</span> },
  { head: "It was", cell: ({ before }) => <Value value={before} /> },
  {
    head: "Yours",
    cell: ({ mine }) => (mine === undefined ? <span class="quiet">as it is</span> : <Value value={mine} />),
  },
  { head: "It is now", cell: ({ theirs }) => <Value value={theirs} /> },
];
