import { expect, test } from "vitest";
import { Backoff } from "./backoff";
import { uuidv7 } from "./ids";

test("it waits twice as long each time, up to half a minute, and begins anew once something was answered", () => {
  const backoff = new Backoff();
  const longest = 1 - Number.EPSILON;
  expect(Array.from({ length: 8 }, () => Math.round(backoff.next(longest)))).toEqual([
    500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
  ]);
  backoff.reset();
  expect([backoff.next(0), backoff.next(0)]).toEqual([250, 500]);
});

test("ids begin with their time and are of version 7", () => {
  const id = uuidv7(0x0199a0b1c2d3);
  expect(id).toMatch(/^0199a0b1-c2d3-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
