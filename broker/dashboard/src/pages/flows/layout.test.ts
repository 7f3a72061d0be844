import { expect, test } from "vitest";
import type { FlowStep } from "../../wire/frames";
import { places } from "./layout";

const step = (id: string, needs: string[] = [], on_error?: FlowStep["on_error"]): FlowStep => ({
  id,
  do: { wait: { seconds: 1 } },
  needs,
  ...(on_error === undefined ? {} : { on_error }),
});

test("a step stands behind all that it waits for, and beside what has nothing to do with it", () => {
  const flow = [step("a"), step("b", ["a"]), step("c", ["a"]), step("d", ["b", "c"]), step("e", ["a", "d"])];
  expect(places(flow)).toEqual([
    { id: "a", column: 0, row: 0 },
    { id: "b", column: 1, row: 0 },
    { id: "c", column: 1, row: 1 },
    { id: "d", column: 2, row: 0 },
    { id: "e", column: 3, row: 0 },
  ]);
});

test("what a failure leads to stands behind the step that fails", () => {
  const flow = [step("mend"), step("try", [], { goto: "mend" })];
  expect(places(flow)).toEqual([
    { id: "mend", column: 1, row: 0 },
    { id: "try", column: 0, row: 0 },
  ]);
});
