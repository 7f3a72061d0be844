/** Another secret for a webhook, which the broker makes; the one before is good for a while, until the service has it. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../../link/ids";
import { link } from "../../../link/link";
import { Select } from "../../../ui/choice";
import { FormDialog } from "../../../ui/form";
import type { HookInfo } from "../../../wire/frames";
import { exact } from "../../../ui/format";
import { now } from "../../../ui/now";
import { type Door, Made } from "./made";

const OVERLAPS = [
  { value: "86400", label: "for a day" },
  { value: "3600", label: "for an hour" },
  { value: "0", label: "not any more" },
];

interface Props {
  trigger: string;
  hook: HookInfo;
  onClose: () => void;
}

export function Rotate({ trigger, hook: { secret_since, previous_until = 0 }, onClose }: Props) {
  const [overlap, setOverlap] = useState("86400");
  const [id, setId] = useState(() => uuidv7());
  const [door, setDoor] = useState<Door>();
  if (door) return <Made door={door} onClose={onClose} />;
  const rotate = async () => {
    const rotated = await link.ask("trigger.rotate", { trigger, overlap_s: Number(overlap) }, id);
    setDoor({ ...rotated, ready: true });
  };
  return (
    <FormDialog
      title={`A new secret for ${trigger}`}
      action="Make one"
      once
      failed="The new secret was not shown"
      safe="Try again here: if there is one, you are shown the same."
      onSubmit={rotate}
      onClose={onClose}
    >
      {previous_until > now.value && (
        <p role="note">
          The secret before this one is good until {exact(previous_until)}, and stops now: only one is kept
          beside the new one. Is it what the service signs with, wait, or change the service at once.
        </p>
      )}
      {secret_since !== undefined && (
        <Select
          label="The one before is good"
          value={overlap}
          options={OVERLAPS}
          onChange={(overlap) => {
            setOverlap(overlap);
            setId(uuidv7());
          }}
        />
      )}
    </FormDialog>
  );
}
