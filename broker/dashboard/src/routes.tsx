/** Every page: where it is, how it is called, its key after `g`, and its script, which is fetched when it is shown first. */
import type { ComponentType } from "preact";
import { lazily } from "./ui/lazy";

export interface PageRoute {
  /** Below `/`. What follows it belongs to the page: `/work/<dispatch>`. */
  path: string;
  title: string;
  key: string;
  view: ComponentType;
  /** On a phone the first few have a place of their own. */
  first: boolean;
}

const page = (
  path: string,
  title: string,
  key: string,
  load: () => Promise<{ default: ComponentType }>,
  first = false,
): PageRoute => ({ path, title, key, view: lazily(load, title), first });

export const routes: readonly PageRoute[] = [
  page("home", "Home", "h", () => import("./pages/home"), true),
  page("team", "Team", "t", () => import("./pages/team")),
  page("chat", "Chat", "c", () => import("./pages/chat"), true),
  page("work", "Work", "w", () => import("./pages/work"), true),
  page("approvals", "Approvals", "a", () => import("./pages/approvals"), true),
  page("sessions", "Sessions", "s", () => import("./pages/sessions")),
  page("knowledge", "Knowledge", "k", () => import("./pages/knowledge")),
  page("flows", "Flows", "f", () => import("./pages/flows")),
  page("triggers", "Triggers", "i", () => import("./pages/triggers")),
  page("registries", "Registries", "r", () => import("./pages/registries")),
  page("workspace", "Workspace", "p", () => import("./pages/workspace")),
  page("alerts", "Alerts", "n", () => import("./pages/alerts")),
  page("usage", "Usage", "u", () => import("./pages/usage")),
  page("audit", "Audit", "l", () => import("./pages/audit")),
  page("settings", "Settings", "e", () => import("./pages/settings")),
];
