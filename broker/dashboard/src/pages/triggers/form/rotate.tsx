/** Another secret for a webhook, which the broker makes; the one before is good for a while, until the service has it. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../../link/ids";
import { link } from "../../../link/link";
import { Select } from "../../../ui/choice";
import { FormDialog } from "../../../ui/form";
import { type Door, Made } from "./made";

const OVERLAPS = [
  { value: "86400", label: "for a day" },
  { value: "3600", label: "for an hour" },
  { value: "0", label: "not any more" },
];

export function Rotate({ trigger, onClose }: { trigger: string; onClose: () => void }) {
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
      failed="There is no new secret"
      safe="The one before is as good as it was."
      onSubmit={rotate}
      onClose={onClose}
    >
      <Select
        label="The one before is good"
        value={overlap}
        options={OVERLAPS}
        onChange={(overlap) => {
          setOverlap(overlap);
          setId(uuidv7());
        }}
      />
    </FormDialog>
  );
}
