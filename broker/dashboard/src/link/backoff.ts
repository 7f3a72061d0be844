/** How long to wait before dialling again: 0.5 s, doubling to 30 s, with jitter. */

const FIRST_MS = 500;
const LAST_MS = 30_000;

export class Backoff {
  private tries = 0;

  /** `random` is in [0, 1). Between half of the step and the whole of it, so that clients do not come together. */
  next(random = Math.random()): number {
    const step = Math.min(FIRST_MS * 2 ** this.tries, LAST_MS);
    this.tries += 1;
    return step / 2 + (step / 2) * random;
  }

  /** Only after something was answered: a broker that takes links and drops them is not there yet. */
  reset(): void {
    this.tries = 0;
  }
}
