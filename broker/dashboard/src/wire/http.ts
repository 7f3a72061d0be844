// Made from docs/schema by `npm run types`. Not to be edited.

export type AspectName = string;
export type AspectRole = "worker" | "frame";
export type BackupName = string;
export type BlobId = string;
export type Party = string;
export type CredentialKind = "provider" | "git" | "jira" | "imap" | "custom";
/**
 * How an aspect gets to use a credential.
 *
 */
export type CredentialMode = "both" | "proxy" | "fetch";
export type CredentialName = string;
export type ErrorCode =
  | "already_registered"
  | "bad_frame"
  | "bad_parent"
  | "budget_exceeded"
  | "conflict"
  | "displaced"
  | "forbidden"
  | "held"
  | "home_diverged"
  | "id_reused"
  | "internal"
  | "invalid"
  | "invalid_output"
  | "no_candidate"
  | "not_found"
  | "not_registered"
  | "queue_full"
  | "quota_exceeded"
  | "rate_limited"
  | "shutting_down"
  | "spending_stopped"
  | "stale_token"
  | "storage_unavailable"
  | "thread_paused"
  | "too_deep"
  | "too_large"
  | "unauthorized"
  | "unavailable"
  | "unknown_kind"
  | "unsupported";
export type FlowName = string;
/**
 * How a part shows what it shows.
 *
 */
export type HomeKind = "agents" | "chart" | "chat" | "markdown" | "stat" | "table" | "timeline";
/**
 * What a part shows: one thing by its name, with how it is asked for. In a file a name alone will do where nothing
 * has to be said: `source: alerts`.
 *
 */
export type HomeSource =
  | {
      alerts: HomeAll;
    }
  | {
      approvals: HomeAll;
    }
  | {
      aspects: HomeAll;
    }
  | {
      registry: HomeRegistry;
    }
  | {
      runs: HomeRuns;
    }
  | {
      thread: HomeThread;
    }
  | {
      triggers: HomeTriggers;
    }
  | {
      usage: HomeUsage;
    }
  | {
      waits: HomeAll;
    }
  | {
      work: HomeAll;
    };
export type RegistryName = string;
export type HomeRunState = "all" | "open" | "ended";
/**
 * A durable conversation.
 *
 */
export type ThreadId = string;
/**
 * By what spending is added up.
 *
 */
export type UsageBy = "aspect" | "hand" | "model" | "day" | "source";
export type HomeFigure = "cost" | "tokens";
/**
 * Where a part stands. Parts that follow each other fill two columns, until one comes that has the page for itself.
 *
 */
export type HomeWidth = "wide" | "narrow" | "full";
export type OperatorName = string;
export type OperatorRole = "viewer" | "operator" | "admin";
export type TokenName = string;
/**
 * Where what is in effect of a file comes from.
 *
 */
export type WorkspaceOrigin = "framework" | "workspace" | "replaced" | "patched" | "hidden";

export interface Everything {}
/**
 * `POST /api/v1/aspects`: let an aspect in, or replace its key (which closes links of the old one).
 *
 */
export interface AspectAdd {
  name: AspectName;
  /**
   * Ed25519, 32 bytes, base64url without padding.
   */
  public_key: string;
  role?: AspectRole;
  /**
   * May store shared knowledge.
   */
  share_knowledge?: boolean;
}
/**
 * An aspect as `GET /api/v1/aspects/{name}/key` and the admin calls answer.
 *
 */
export interface AspectKey {
  key_generation: number;
  name: AspectName;
  /**
   * Until when the key before this one is good, too.
   */
  previous_until?: number;
  revoked_at?: number;
  role: AspectRole;
  share_knowledge: boolean;
}
/**
 * A backup that is on disk.
 *
 */
export interface BackupMade {
  bytes: number;
  /**
   * The head of the log in it, as `nexus verify --against` takes it.
   */
  head: string;
  made_at: number;
  name: BackupName;
  /**
   * Where it is, on the broker's machine.
   */
  path: string;
  with_keys: boolean;
}
/**
 * `POST /api/v1/backup`: make one.
 *
 */
export interface BackupMake {
  name?: BackupName;
  /**
   * The private keys of this Nexus too: whoever has the file can then speak for this Nexus.
   */
  with_keys?: boolean;
}
/**
 * A blob as the broker keeps it.
 *
 */
export interface BlobInfo {
  /**
   * When it was last put.
   */
  at: number;
  bytes: number;
  id: BlobId;
  media_type: string;
  name?: string;
  /**
   * Who put it; each of them has it on their quota.
   */
  owners: Party[];
  /**
   * Messages that attach it, dispatches and entries that name it. Without any it is deleted after a grace time.
   */
  references: number;
}
/**
 * `GET /api/v1/blobs`: the latest first.
 *
 */
export interface BlobPage {
  blobs: BlobInfo[];
  /**
   * What to ask for as `cursor` to go on; absent at the end.
   */
  next_cursor?: number;
  /**
   * What they may be: `blobs.quota_all_mb`.
   */
  quota_bytes?: number;
  /**
   * Of all blobs together, each counted once.
   */
  used_bytes?: number;
}
/**
 * `POST /api/v1/credentials`: keep a secret, or replace everything of the one of that name.
 *
 */
export interface CredentialAdd {
  /**
   * Who may use it.
   */
  allowed_aspects?: AspectName[];
  /**
   * Where the broker's calls go: scheme, host, port and the beginning of the path. Needed for `proxy`.
   */
  base_url?: string;
  /**
   * The header the secret goes into; `authorization` when left out.
   */
  header?: string;
  kind: CredentialKind;
  mode?: CredentialMode;
  name: CredentialName;
  /**
   * What stands before the secret in that header; `Bearer ` for `authorization`, nothing for another.
   */
  prefix?: string;
  secret: string;
}
/**
 * `PUT /api/v1/credentials/{name}/allowed`: who may use it from now on; the secret stays as it is.
 *
 */
export interface CredentialAllow {
  allowed_aspects: AspectName[];
}
/**
 * A credential without its secret.
 *
 */
export interface CredentialInfo {
  allowed_aspects: AspectName[];
  base_url?: string;
  created_at: number;
  header: string;
  kind: CredentialKind;
  mode: CredentialMode;
  name: CredentialName;
  prefix: string;
  /**
   * When its secret last changed.
   */
  rotated_at: number;
}
/**
 * `GET /api/v1/credentials`.
 *
 */
export interface CredentialList {
  credentials: CredentialInfo[];
}
/**
 * `PUT /api/v1/credentials/{name}/secret`.
 *
 */
export interface CredentialRotate {
  secret: string;
}
/**
 * `GET /api/v1/credentials/{name}/secret`, for an aspect that may fetch it.
 *
 */
export interface CredentialSecret {
  name: CredentialName;
  secret: string;
}
/**
 * `GET /api/v1/home`: the layout in effect.
 *
 */
export interface Home {
  /**
   * Why the file as it stands now is not what is shown.
   */
  fault?: string;
  /**
   * The file of the workspace that says so. Absent: it is what Nexus ships.
   */
  file?: string;
  widgets: HomeWidget[];
}
/**
 * One part of the page.
 *
 */
export interface HomeWidget {
  kind: HomeKind;
  /**
   * So many lines, rows or messages at most.
   */
  limit?: number;
  source?: HomeSource;
  /**
   * Of `markdown` alone.
   */
  text?: string;
  /**
   * Absent: what it shows says it.
   */
  title?: string;
  width?: HomeWidth;
}
/**
 * There is nothing to say about it.
 *
 */
export interface HomeAll {}
export interface HomeRegistry {
  /**
   * The fields that are shown, at most 12; none: what names a row, and the first of the others.
   */
  columns?: string[];
  name: RegistryName;
  /**
   * An expression over the fields, as `registry.read` takes it.
   */
  where?: string;
}
export interface HomeRuns {
  flow?: FlowName;
  state?: HomeRunState;
}
/**
 * One of the two.
 *
 */
export interface HomeThread {
  id?: ThreadId;
  with?: AspectName;
}
export interface HomeTriggers {
  /**
   * How far ahead, at most 168 hours (24).
   */
  hours?: number;
}
export interface HomeUsage {
  by?: UsageBy;
  /**
   * Days in UTC with today as the last of them, at most 92 (1).
   */
  days?: number;
  figure?: HomeFigure;
}
/**
 * `POST /api/v1/invitations/accept`: the person who was invited chooses a password and is in, once.
 *
 */
export interface InvitationAccept {
  /**
   * To log in with from now on.
   */
  password: string;
  token: string;
}
/**
 * Who is in now, and under which name they log in.
 *
 */
export interface InvitationAccepted {
  operator: OperatorInfo;
}
export interface OperatorInfo {
  created_at: number;
  /**
   * May log in with a password.
   */
  has_password?: boolean;
  name: OperatorName;
  revoked_at?: number;
  role: OperatorRole;
  /**
   * Sessions of browsers that have not ended.
   */
  sessions?: number;
  /**
   * By name.
   */
  tokens?: TokenInfo[];
}
export interface TokenInfo {
  created_at: number;
  expires_at?: number;
  /**
   * When it last let somebody in; may be a minute old.
   */
  last_used_at?: number;
  name: TokenName;
}
/**
 * `POST /api/v1/invitations`: a person may come in, once, by a link. An open invitation of the same name is void.
 *
 */
export interface InvitationAdd {
  /**
   * Seconds until it is good no more, 1 to 2592000 (30 days); 259200 (3 days) when left out.
   */
  expires_in_s?: number;
  name: OperatorName;
  role: OperatorRole;
}
/**
 * An invitation nobody has accepted yet.
 *
 */
export interface InvitationInfo {
  created_at: number;
  expires_at: number;
  invited_by: Party;
  name: OperatorName;
  role: OperatorRole;
}
export interface InvitationMade {
  invitation: InvitationInfo;
  /**
   * The dashboard's page that accepts it; what follows `#invite=` is the token, which no server is sent.
   */
  link: string;
  /**
   * Good for accepting the invitation and nothing else. It is shown here and never again.
   */
  token: string;
}
/**
 * `GET /api/v1/invitations`.
 *
 */
export interface Invitations {
  /**
   * Those that can be accepted now, by name; at most 100.
   */
  invitations: InvitationInfo[];
}
/**
 * `POST /api/v1/aspects/{name}/rotate`: a new key for an aspect that is in.
 *
 */
export interface KeyRotate {
  /**
   * Seconds for which the key it had stays good beside the new one; 0 ends it at once.
   */
  overlap_s?: number;
  /**
   * Ed25519, 32 bytes, base64url without padding.
   */
  public_key: string;
}
/**
 * The answer: the aspect's key as it is in force now.
 *
 */
export interface KeyRotated {
  key_generation: number;
  name: AspectName;
  /**
   * Until when the key before it is good, too.
   */
  previous_until?: number;
}
/**
 * `POST /api/v1/login`.
 *
 */
export interface Login {
  name: OperatorName;
  password: string;
}
/**
 * `GET /api/v1/ca`: what a client of this Nexus trusts when it speaks TLS, as keyfiles have it.
 *
 */
export interface NexusCa {
  /**
   * A certificate in PEM. It is no secret; but who has it from a stranger trusts that stranger.
   */
  ca_pem: string;
  nexus_id: string;
}
/**
 * `GET /api/v1/nexus`: needs no credential.
 *
 */
export interface NexusInfo {
  nexus_id: string;
  protocol: string;
  version: string;
}
/**
 * `POST /api/v1/operators`. The token is made by whoever calls; the broker keeps its SHA-256 only, as the
 * operator's token named `first`. Again with another token replaces that one.
 *
 */
export interface OperatorAdd {
  name: OperatorName;
  role: OperatorRole;
  /**
   * SHA-256 of the token, 64 hexadecimal digits.
   */
  token_sha256: string;
}
/**
 * `PUT /api/v1/operators/{name}/role`. Tokens, password and sessions stay; links close, and come back with the
 * new role.
 *
 */
export interface OperatorRoleSet {
  role: OperatorRole;
}
/**
 * `GET /api/v1/operators`.
 *
 */
export interface Operators {
  /**
   * Who may come in and has not yet, by name; at most 100.
   */
  invitations?: InvitationInfo[];
  operators: OperatorInfo[];
}
/**
 * `PUT /api/v1/operators/{name}/password`. Ends every session of that operator.
 *
 */
export interface PasswordSet {
  /**
   * The password that is good now. An admin who sets somebody else's leaves it out.
   */
  current?: string;
  password: string;
}
/**
 * Why a request was not served. `code` is one of the error codes that frames have too.
 *
 */
export interface Problem {
  code: ErrorCode;
  /**
   * For people: what was wrong, where, and what to do.
   */
  detail: string;
  details?: unknown;
  /**
   * Whether the same request could succeed later with nothing else changed.
   */
  retryable: boolean;
  /**
   * The HTTP status once more.
   */
  status: number;
  /**
   * The status in words.
   */
  title: string;
  /**
   * Always `about:blank`: `code` says more than a URL would.
   */
  type: string;
}
/**
 * Whose session the cookie is. `POST /api/v1/login`, `POST /api/v1/login/token` and `GET /api/v1/session` answer it.
 *
 */
export interface SessionInfo {
  /**
   * Whatever happens meanwhile.
   */
  expires_at?: number;
  /**
   * Seconds without a request after which it ends.
   */
  idle_s: number;
  operator: OperatorName;
  role: OperatorRole;
}
/**
 * `POST /api/v1/setup`: the setup token becomes the first person's way in, once.
 *
 */
export interface Setup {
  name: OperatorName;
  /**
   * To log in with. Without it the answer has an API token.
   */
  password?: string;
  setup_token: string;
}
export interface SetupDone {
  operator: OperatorInfo;
  /**
   * An API token named `setup`, when no password was chosen. It is shown here and never again.
   */
  token?: string;
}
/**
 * A skill: a file that says how something is done, for whoever has an aspect's Hand `self` do it.
 *
 */
export interface Skill {
  /**
   * For people: what it is good for.
   */
  description?: string;
  /**
   * The file that says so: in the workspace, or `framework:` and the path there.
   */
  file: string;
  /**
   * JSON Schema of the input; absent: any object.
   */
  input_schema?: {
    [k: string]: unknown;
  };
  /**
   * What is to be done. Absent in a list.
   */
  instructions?: string;
  /**
   * Where its file lies below `skills/`, without `.md`.
   */
  name: string;
  title: string;
}
/**
 * `GET /api/v1/skills`: by name.
 *
 */
export interface Skills {
  /**
   * What to ask for as `cursor` to go on; absent at the end.
   */
  next_cursor?: string;
  skills: Skill[];
}
/**
 * `POST /api/v1/operators/{name}/tokens`: a further API token of an operator. A token of the same name is
 * replaced.
 *
 */
export interface TokenAdd {
  /**
   * Seconds until it is good no more; without it, until it is revoked.
   */
  expires_in_s?: number;
  name: TokenName;
  /**
   * SHA-256 of a token the caller made, 64 hexadecimal digits. Without it the broker makes one and shows it
   * in its answer, once.
   */
  token_sha256?: string;
}
/**
 * `POST /api/v1/token/password`: a password for an API token, for programs that keep no cookie. A token of the same
 * name is replaced.
 *
 */
export interface TokenForPassword {
  name: OperatorName;
  password: string;
  token: TokenAdd;
}
/**
 * `GET /api/v1/operators/{name}/tokens`.
 *
 */
export interface TokenList {
  tokens: TokenInfo[];
}
/**
 * `POST /api/v1/login/token`: a session of whoever has the API token, for a browser.
 *
 */
export interface TokenLogin {
  token: string;
}
export interface TokenMade {
  operator: OperatorName;
  /**
   * The token itself, if the broker made it. It is shown here and never again.
   */
  token?: string;
  token_info: TokenInfo;
}
/**
 * `POST /api/v1/token`.
 *
 */
export interface TokenRequest {
  /**
   * A JWT signed with the aspect's key: `iss` = `sub` = its name, `aud` = the Nexus id, `jti` used once,
   * `exp` at most 60 s ahead, header `kid` absent, `alg` EdDSA.
   */
  assertion: string;
  grant_type: string;
}
export interface TokenResponse {
  access_token: string;
  /**
   * Seconds.
   */
  expires_in: number;
  /**
   * Always `Bearer`.
   */
  token_type: string;
}
/**
 * A file, and what there is of it.
 *
 */
export interface WorkspaceFile {
  /**
   * The file of the workspace that has made it so, where that is another one.
   */
  by?: string;
  /**
   * Of what is in effect.
   */
  bytes?: number;
  /**
   * What is wrong with it, where that is known with `line:column: ` before it; up to 512 bytes.
   */
  fault?: string;
  origin?: WorkspaceOrigin;
  path: string;
  /**
   * Of what is in effect, in hexadecimal.
   */
  sha256?: string;
}
/**
 * `GET /api/v1/workspace`: by path.
 *
 */
export interface WorkspaceFiles {
  /**
   * Of all files, how many there is something wrong with.
   */
  faults: number;
  files: WorkspaceFile[];
  /**
   * Where it lies on the broker's machine. Absent: this broker keeps no workspace, and there are no files.
   */
  folder?: string;
  /**
   * What to ask for as `cursor` to go on; absent at the end.
   */
  next_cursor?: string;
  /**
   * When it was last looked through, because something had changed or had been refused.
   */
  read_at?: number;
}
