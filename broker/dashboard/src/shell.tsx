/** What stands around each page: where one can go, what waits for people, whether the broker is there, who is logged in. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Link as Anchor, Redirect, Route, Switch, useLocation } from "wouter-preact";
import { link } from "./link/link";
import { type PageRoute, routes } from "./routes";
import { logOut, me } from "./state/session";
import { alertsNew, approvalsOpen } from "./state/team";
import { unreadThreads } from "./state/threads";
// What streams is followed from the beginning, whichever page is open.
import "./state/turns";
import { Banner } from "./shell/banner";
import { Help } from "./shell/help";
import { Dialog } from "./ui/dialog";
import { Empty } from "./ui/empty";
import { useKeys } from "./ui/keys";
import { Menu } from "./ui/menu";
import { nextTheme, theme } from "./ui/theme";
import { toast } from "./ui/toast";

const SIGNS = { system: "◑", light: "☀", dark: "☾" };

export function Shell() {
  const [, go] = useLocation();
  const [help, setHelp] = useState(false);
  const [more, setMore] = useState(false);
  const search = () => document.querySelector<HTMLElement>("[data-search]")?.focus();
  useKeys("Everywhere", [
    { keys: "?", does: "Show these keys", act: () => setHelp(true) },
    { keys: "/", does: "Search on this page", act: search },
    ...routes.map(({ path, title, key }) => ({
      keys: `g ${key}`,
      does: `Go to ${title}`,
      act: () => go(`/${path}`),
    })),
    { keys: "r", does: "Dial again, when the broker is gone", act: () => link.now() },
  ]);
  return (
    <div class="shell">
      <a class="skip" href="#page">
        Skip to the page
      </a>
      <nav class="nav" aria-label="Pages">
        <Anchor href="/home" class="nav-home" aria-label="Nexus">
          <Logo />
          <span class="nav-name">Nexus</span>
        </Anchor>
        <ul class="nav-list">
          {routes.map((route) => (
            <li key={route.path} class={route.first ? "" : "nav-later"}>
              <Entry route={route} />
            </li>
          ))}
          <li class="nav-more">
            <button type="button" class="nav-link" onClick={() => setMore(true)}>
              <span>More</span>
              <Unseen />
            </button>
          </li>
        </ul>
        <Person onHelp={() => setHelp(true)} />
      </nav>
      <main id="page" class="main" tabIndex={-1}>
        <Banner />
        <Switch>
          {routes.map(({ path, view: View }) => (
            <Route key={path} path={`/${path}/*?`}>
              <View />
            </Route>
          ))}
          <Route path="/">
            <Redirect to="/home" replace />
          </Route>
          <Route>
            <Empty title="There is no such page.">
              <Anchor href="/home">Go home</Anchor>
            </Empty>
          </Route>
        </Switch>
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
      {more && (
        <Dialog title="Pages" onClose={() => setMore(false)}>
          <ul class="nav-sheet">
            {routes
              .filter((route) => !route.first)
              .map((route) => (
                <li key={route.path}>
                  <Entry route={route} onGo={() => setMore(false)} />
                </li>
              ))}
          </ul>
        </Dialog>
      )}
    </div>
  );
}

function Entry({ route, onGo }: { route: PageRoute; onGo?: () => void }) {
  const [location] = useLocation();
  const here = location === `/${route.path}` || location.startsWith(`/${route.path}/`);
  return (
    <Anchor
      href={`/${route.path}`}
      class={here ? "nav-link nav-here" : "nav-link"}
      aria-current={here ? "page" : undefined}
      title={`g ${route.key}`}
      {...(onGo ? { onClick: onGo } : {})}
    >
      <span>{route.title}</span>
      {route.path === "alerts" && <Unseen />}
      {route.path === "chat" && <Waits count={unreadThreads.value} what="threads with something unread" />}
      {route.path === "approvals" && (
        <Waits count={approvalsOpen.value} what="approvals waiting for an answer" />
      )}
    </Anchor>
  );
}

const Unseen = () => <Waits count={alertsNew.value} what="alerts nobody has acknowledged" />;

function Waits({ count, what }: { count: number; what: string }) {
  if (count === 0) return null;
  return (
    <span class="waits" title={`${count} ${what}`}>
      {count}
      <span class="hidden"> {what}</span>
    </span>
  );
}

function Person({ onHelp }: { onHelp: () => void }) {
  const session = me.value;
  if (!session) return null;
  const label: ComponentChildren = (
    <>
      <span class="person-name">{session.operator}</span> <span class="person-role">{session.role}</span>
    </>
  );
  const out = () => {
    logOut().catch((error: unknown) => toast(`Still logged in: ${String(error)}`, "failed"));
  };
  return (
    <div class="person">
      <Menu
        label={`${session.operator}, ${session.role}: log out and more`}
        items={[
          { label: "Keys", act: onHelp },
          { label: "Log out", act: out },
        ]}
      >
        {label}
      </Menu>
      <button
        type="button"
        class="button button-quiet"
        title={`Colours: ${theme.value}`}
        aria-label={`Colours: ${theme.value}. Change`}
        onClick={nextTheme}
      >
        <span aria-hidden="true">{SIGNS[theme.value]}</span>
      </button>
    </div>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M16 16 7 8M16 16l10-7M16 16l-6 10M16 16l9 8" />
      <circle cx="16" cy="16" r="5" />
      <circle cx="6" cy="7" r="3" />
      <circle cx="27" cy="8" r="3" />
      <circle cx="9" cy="27" r="3" />
      <circle cx="26" cy="25" r="3" />
    </svg>
  );
}
