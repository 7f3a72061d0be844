/** One clock for everything that shows a relative time. */
import { signal } from "@preact/signals";

const STEP_MS = 5_000;

export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), STEP_MS);
