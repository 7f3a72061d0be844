/** Who is logged in, and how one gets in and out. */
import { computed, signal } from "@preact/signals";
import { link } from "../link/link";
import { Refusal } from "../link/refusal";
import { onUnauthorized, rest } from "../link/rest";
import type {
  InvitationAccepted,
  NexusInfo,
  OperatorInfo,
  OperatorRole,
  SessionInfo,
  SetupDone,
} from "../wire/http";

/** `undefined` until it is known; `null` for nobody. */
export const me = signal<SessionInfo | null | undefined>(undefined);
/** Why the login page is shown, when somebody was logged in before. */
export const endedBecause = signal<string | undefined>(undefined);
export const nexus = signal<NexusInfo | undefined>(undefined);

const RANK: Record<OperatorRole, number> = { viewer: 0, operator: 1, admin: 2 };
const atLeast = (role: OperatorRole) => computed(() => RANK[me.value?.role ?? "viewer"] >= RANK[role]);
/** May speak, dispatch, cancel, answer. */
export const mayAct = atLeast("operator");
/** May let others in and hold them off. */
export const mayAdmin = atLeast("admin");
/** As the wire names whoever is logged in. */
export const myParty = computed(() => (me.value ? `operator/${me.value.operator}` : ""));

export async function logIn(name: string, password: string): Promise<void> {
  entered(await rest<SessionInfo>("POST", "login", { name, password }));
}

export async function logInByToken(token: string): Promise<void> {
  entered(await rest<SessionInfo>("POST", "login/token", { token }));
}

/** The setup token makes its holder an admin, once; then they log in like everybody. */
export async function setUp(setupToken: string, name: string, password: string): Promise<void> {
  await rest<SetupDone>("POST", "setup", { setup_token: setupToken, name, password });
  await logIn(name, password);
}

/** Whoever was invited is in from here on, and logs in like everybody. */
export async function acceptInvitation(token: string, password: string): Promise<OperatorInfo> {
  const accepted = await rest<InvitationAccepted>("POST", "invitations/accept", { token, password });
  return accepted.operator;
}

export async function logOut(): Promise<void> {
  await rest("POST", "logout");
  left(undefined);
}

/** Looks who the cookie is of. Throws when the broker does not answer. */
export async function recognise(): Promise<void> {
  try {
    const [about, session] = await Promise.all([rest<NexusInfo>("GET", "nexus"), whose()]);
    nexus.value = about;
    if (session) entered(session);
    else me.value = null;
  } catch (error) {
    if (error instanceof Refusal) me.value = null;
    throw error;
  }
}

async function whose(): Promise<SessionInfo | undefined> {
  try {
    return await rest<SessionInfo>("GET", "session");
  } catch (error) {
    if (error instanceof Refusal && error.code === "unauthorized") return undefined;
    throw error;
  }
}

function entered(session: SessionInfo): void {
  endedBecause.value = undefined;
  me.value = session;
  link.open(stillIn);
}

function left(why: string | undefined): void {
  if (!me.value) return;
  link.close();
  endedBecause.value = why;
  me.value = null;
}

async function stillIn(): Promise<boolean> {
  try {
    const session = await whose();
    if (session) {
      // A link may have closed because the role is another one.
      me.value = session;
      return true;
    }
  } catch {
    // Whoever cannot be asked has not said no.
    return true;
  }
  left("Your session has ended. Log in again; nothing you did is lost.");
  return false;
}

onUnauthorized.call = () => void stillIn();
