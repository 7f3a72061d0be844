/** What an aspect is doing, in a few words. */
import { duration } from "../../ui/format";
import { now } from "../../ui/now";
import type { AspectInfo } from "../../wire/frames";

export function doing({ activity, restraint, state }: AspectInfo): string {
  if (restraint) return `${restraint.kind}: ${restraint.reason}`;
  if (state === "offline" || !activity) return "";
  if ((activity.approvals ?? 0) > 0) return "waits for an approval";
  switch (activity.doing) {
    case "idle":
      return activity.dispatches > 0 ? `at work on ${activity.dispatches}` : "";
    case "waiting":
      return "waits for its model";
    case "tool":
      return `uses ${activity.tool ?? "a tool"}`;
    case "thinking":
      return "thinks";
    case "writing":
      return "writes";
  }
}

export function Doing({ aspect }: { aspect: AspectInfo }) {
  const words = doing(aspect);
  const since = aspect.activity?.since;
  if (words === "") return <span class="quiet">—</span>;
  return (
    <span>
      {words}
      {since !== undefined && !aspect.restraint && (
        <span class="quiet small"> {duration((now.value - since) / 1000)}</span>
      )}
    </span>
  );
}
