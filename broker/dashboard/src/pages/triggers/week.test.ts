import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TriggerInfo, When } from "../../wire/frames";
import { type Entry, type Series, dayStart, week } from "./week";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function info(name: string, when: When): TriggerInfo {
  const definition = { name, when, do: { ask: { aspect: "wren", text: "hello" } } };
  return {
    id: name,
    definition,
    owner: "operator/ana",
    status: "active",
    created_at: 0,
    defined_at: 0,
    slots: 0,
    failures: 0,
  };
}

const at = (text: string) => new Date(text).getTime();
const from = (first: string, step: number, count: number) =>
  Array.from({ length: count }, (_, index) => at(first) + index * step);

function series(name: string, times: number[], more: Partial<Series> = {}): Series {
  const end = dayStart(now, 7);
  return { info: info(name, { cron: "* * * * *" }), times, end, every: undefined, more: false, ...more };
}

const said = ({ info, at, count, every, more, again }: Entry) =>
  [
    info.definition.name,
    new Date(at).toISOString().slice(11, 16),
    `${count}x`,
    ...(every === undefined ? [] : [`each ${every / MINUTE} min`]),
    ...(more === true ? ["more"] : []),
    ...(again === true ? ["again"] : []),
  ].join(" ");

// A Wednesday, in the afternoon.
let now = 0;

function inZone(zone: string, time: string): void {
  vi.stubEnv("TZ", zone);
  now = at(time);
}

beforeEach(() => inZone("UTC", "2026-03-25T15:00:00"));
afterEach(() => vi.unstubAllEnvs());

describe("a week", () => {
  it("begins today and has what is due at its day and hour, in order", () => {
    const daily = from("2026-03-26T08:00:00", 24 * HOUR, 6);
    const { days, hours } = week(
      [
        series("morning", daily),
        series("late", [at("2026-03-25T22:15:00")]),
        series("also", [daily[0] ?? 0]),
      ],
      now,
    );
    expect(days.map(({ start }) => new Date(start).getDate())).toEqual([25, 26, 27, 28, 29, 30, 31]);
    expect(hours).toEqual([8, 22]);
    expect(days[0]?.hours.get(22)?.map(said)).toEqual(["late 22:15 1x"]);
    expect(days[1]?.hours.get(8)?.map(said)).toEqual(["also 08:00 1x", "morning 08:00 1x"]);
    expect(days[6]?.hours.get(8)?.map(said)).toEqual(["morning 08:00 1x"]);
    expect(days.flatMap(({ often }) => often)).toEqual([]);
  });

  it("gathers what is due several times in an hour", () => {
    const { days } = week(
      [
        series("each", from("2026-03-26T08:00:00", MINUTE, 60)),
        series(
          "odd",
          [0, 5, 20].map((m) => at("2026-03-26T09:00:00") + m * MINUTE),
        ),
      ],
      now,
    );
    expect(days[1]?.hours.get(8)?.map(said)).toEqual(["each 08:00 60x each 1 min"]);
    expect(days[1]?.hours.get(9)?.map(said)).toEqual(["odd 09:00 3x"]);
  });

  it("has what is due all day long as one line of each day", () => {
    const hourly = series("hourly", from("2026-03-25T22:00:00", HOUR, 100), { more: true });
    const { days, hours } = week([hourly], now);
    expect(hours).toEqual([]);
    expect(days.map(({ often }) => often.map(said).join())).toEqual([
      "hourly 22:00 2x each 60 min",
      "hourly 00:00 24x each 60 min",
      "hourly 00:00 24x each 60 min",
      "hourly 00:00 24x each 60 min",
      "hourly 00:00 24x each 60 min",
      // So far the broker tells its times.
      "hourly 00:00 2x each 60 min more",
      "hourly 00:00 0x more",
    ]);
  });

  it("counts what goes on evenly, to its end", () => {
    const each = { info: info("each", { every: { seconds: 1 } }), every: 1000, more: true };
    const { days } = week(
      [series("each", from("2026-03-25T15:00:00", 1000, 100), { ...each, end: at("2026-03-27T00:00:10") })],
      now,
    );
    const counts = days.map(({ often }) => often.map(({ count }) => count).join());
    expect(counts).toEqual([String(9 * 3600), "86400", "10", "", "", "", ""]);
  });

  it("has a day of 23 hours where the clock is set forward", () => {
    inZone("Europe/Berlin", "2026-03-27T15:00:00");
    const half = { info: info("half", { every: { seconds: 1800 } }), every: 1800_000, more: true };
    // Half past two does not exist on the 29th: the broker takes three o'clock.
    const nightly = ["2026-03-28T02:30:00", "2026-03-29T03:00:00", "2026-03-30T02:30:00"].map(at);
    const { days, hours } = week(
      [series("night", nightly), series("half", from("2026-03-27T15:00:00", 1800_000, 100), half)],
      now,
    );
    expect(hours).toEqual([2, 3]);
    expect(days.map(({ skipped }) => skipped)).toEqual([[], [], [2], [], [], [], []]);
    expect(days[2]?.hours.get(3)?.map(({ count }) => count)).toEqual([1]);
    expect(days[2]?.hours.get(2)).toBeUndefined();
    expect(days.map(({ often }) => often[0]?.count)).toEqual([18, 48, 46, 48, 48, 48, 48]);
  });

  it("tells the hour that comes twice apart where the clock is set back", () => {
    inZone("Europe/Berlin", "2026-10-24T15:00:00");
    const twice = [at("2026-10-25T02:30:00"), at("2026-10-25T02:30:00") + HOUR];
    const half = { info: info("half", { every: { seconds: 1800 } }), every: 1800_000, more: true };
    const { days, hours } = week(
      [series("night", twice), series("half", from("2026-10-24T15:00:00", 1800_000, 100), half)],
      now,
    );
    expect(hours).toEqual([2]);
    expect(days[1]?.hours.get(2)?.map(said)).toEqual(["night 00:30 1x", "night 01:30 1x again"]);
    expect(days[1]?.often[0]?.count).toBe(50);
    expect(days[1]?.skipped).toEqual([]);
  });
});
