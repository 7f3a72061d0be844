/** What the broker says when it does not do what it was asked. */
import type { ErrorBody, ErrorCode } from "../wire/frames";
import type { Problem } from "../wire/http";

export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: unknown;

  constructor(body: ErrorBody) {
    super(body.message);
    this.name = "Refusal";
    this.code = body.code;
    this.retryable = body.retryable;
    this.details = body.details;
  }

  static ofProblem({ code, detail, retryable, details }: Problem): Refusal {
    return new Refusal({ code, message: detail, retryable, details });
  }

  /** Seconds after which the same may be asked again, if the broker says so. */
  get retryAfter(): number | undefined {
    const { details } = this;
    if (typeof details !== "object" || details === null || !("retry_after" in details)) return undefined;
    return typeof details.retry_after === "number" ? details.retry_after : undefined;
  }
}

/** Nobody answered: the broker is stopped, or cannot be reached. */
export class Unreachable extends Error {
  constructor() {
    super("the broker does not answer");
    this.name = "Unreachable";
  }
}
