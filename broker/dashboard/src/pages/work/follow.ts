/** What an entry of the log changes about a dispatch. Pure. */
import type { DispatchInfo, LogEntry } from "../../wire/frames";

/**
 * The dispatch after it; `undefined` when it changes nothing; `"unknown"` when it does and only the broker knows how.
 */
export function changed(info: DispatchInfo, { at, body }: LogEntry): DispatchInfo | "unknown" | undefined {
  if (body.type === "dispatch_assigned") {
    return { ...begun(info), state: "running", attempt: body.attempt, assigned_at: at };
  }
  if (body.type === "dispatch_ended") {
    const { state, attempts, error, usage, cost_microusd, spent } = body;
    return {
      ...begun(info),
      state,
      attempt: attempts,
      ended_at: at,
      ...(error ? { error } : {}),
      ...(usage ? { usage } : {}),
      ...(cost_microusd === undefined ? {} : { cost_microusd }),
      ...(spent ? { spent } : {}),
    };
  }
  if (body.type !== "other") return undefined;
  switch (body.kind) {
    case "dispatch.waiting":
      return { ...info, state: "waiting" };
    case "dispatch.resumed":
      return info.ended_at === undefined ? { ...info, state: "running" } : undefined;
    case "dispatch.moved":
    case "dispatch.work_cancelled":
    case "dispatch.work_stopped":
    case "dispatch.retried":
      return "unknown";
    default:
      return undefined;
  }
}

/** It waits for nothing any more. */
function begun(info: DispatchInfo): DispatchInfo {
  const next = { ...info };
  delete next.waiting_for;
  return next;
}
