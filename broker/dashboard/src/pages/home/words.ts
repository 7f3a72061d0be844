/** How a part of the home page is called that says nothing about it, and where all of what it shows is. Pure. */
import { to } from "../../ui/query";
import type { HomeSource, HomeWidget } from "../../wire/http";

export function titleOf({ title = "", source, kind }: HomeWidget): string {
  if (title !== "") return title;
  if (source !== undefined) return named(source);
  return kind === "agents" ? "Who is there" : "";
}

function named(source: HomeSource): string {
  if ("alerts" in source) return "Alerts";
  if ("approvals" in source) return "What agents ask";
  if ("aspects" in source) return "Who is there";
  if ("registry" in source) return source.registry.name;
  if ("runs" in source) return source.runs.flow === undefined ? "Runs" : `Runs of ${source.runs.flow}`;
  if ("thread" in source) return source.thread.with === undefined ? "A thread" : `With ${source.thread.with}`;
  if ("triggers" in source) return "Planned";
  if ("usage" in source) return spentIn(source.usage.days ?? 1);
  if ("waits" in source) return "Waits for you";
  return "At work";
}

export const spentIn = (days: number) => (days === 1 ? "Spent today" : `Spent in ${days} days`);

/** How far ahead the plan is shown where the layout does not say it, as the broker has it. */
export const HOURS = 24;

/** The page with all of it; of a thread it depends on which one that is. */
export function hrefOf(source: HomeSource): string {
  if ("alerts" in source) return "/alerts";
  if ("approvals" in source || "waits" in source) return "/approvals";
  if ("aspects" in source) return "/team";
  if ("registry" in source) {
    const { name, where = "" } = source.registry;
    return to(`/registries/${name}`, { filter: where });
  }
  if ("runs" in source) {
    return source.runs.flow === undefined ? "/flows" : `/flows/of/${encodeURIComponent(source.runs.flow)}`;
  }
  if ("thread" in source) return "/chat";
  if ("triggers" in source) return "/triggers?show=plan";
  if ("usage" in source)
    return to("/usage", { by: source.usage.by === "day" ? "" : (source.usage.by ?? "aspect") });
  return "/work?show=open";
}
