/** What goes by HTTP: logging in, files, and what admins do. The cookie goes with each request by itself. */
import { Refusal, Unreachable } from "./refusal";
import type { Problem } from "../wire/http";

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** Whoever asks these looks at a 401 themselves: the session is asked for to learn whether there is one. */
const TELLS_ITSELF = ["invitations/accept", "login", "login/token", "session", "setup"];

/** Called when the session is over, so that the page can ask for a new login. */
export const onUnauthorized: { call: () => void } = { call: () => undefined };

/**
 * One request to `/api/v1/<path>`. A durable change that may be repeated names its `key`, so that it is done once.
 * Throws a `Refusal`, or `Unreachable`.
 */
export async function rest<T>(method: Method, path: string, body?: unknown, key?: string): Promise<T> {
  const headers = new Headers();
  if (body !== undefined) headers.set("Content-Type", "application/json");
  if (key !== undefined) headers.set("Idempotency-Key", key);
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new Unreachable();
  }
  if (response.ok) {
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }
  throw await refused(response, path);
}

async function refused(response: Response, path: string): Promise<Error> {
  if (response.status >= 502 && response.status <= 504) {
    // A proxy in front says this of a broker that is gone; the broker itself says 503 in its own words.
    if (!isProblem(response)) return new Unreachable();
  }
  if (!isProblem(response)) {
    const message = `the answer to ${path} was HTTP ${response.status} and no word of the broker's`;
    return new Refusal({ code: "internal", message, retryable: true });
  }
  const refusal = Refusal.ofProblem((await response.json()) as Problem);
  if (response.status === 401 && !TELLS_ITSELF.includes(path)) onUnauthorized.call();
  return refusal;
}

function isProblem(response: Response): boolean {
  return response.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
}
