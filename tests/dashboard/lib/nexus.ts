/** A broker of its own for each test, with the agents of a folder, on a free port and in a temporary folder. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
/** Where the binaries are: `NEXUS_BIN`, or where cargo puts them. */
export const bin = process.env.NEXUS_BIN ?? join(repository, "target/debug");
const dist = join(repository, "broker/dashboard/dist");
const PATIENCE_MS = 30_000;

export interface Options {
  /** A folder with a home in each sub-folder; a copy of it is run. `null`: nobody. */
  team?: string | null;
  /** Further settings, as in nexus.toml: `{"presence.stalled_s": "5"}`. */
  settings?: Record<string, string>;
}

export class Nexus {
  readonly data: string;
  /** Of the homes that run. */
  readonly agents: string;
  url = "";
  setupToken = "";
  private readonly folder: string;
  private broker: ChildProcess | undefined;
  private output = "";

  private constructor(private readonly settings: Record<string, string>) {
    this.folder = mkdtempSync(join(tmpdir(), "nexus-dashboard-"));
    this.data = join(this.folder, "data");
    this.agents = join(this.folder, "agents");
  }

  static async start({
    team = join(repository, "tests/dashboard/team"),
    settings = {},
  }: Options = {}): Promise<Nexus> {
    const nexus = new Nexus(settings);
    mkdirSync(nexus.agents);
    if (team !== null) cpSync(team, nexus.agents, { recursive: true });
    // Where file tools write; git keeps no empty folders.
    for (const home of readdirSync(nexus.agents))
      mkdirSync(join(nexus.agents, home, "work"), { recursive: true });
    await nexus.serve("127.0.0.1:0");
    return nexus;
  }

  /** Starts the broker, on the same port as before if there was one. */
  async serve(listen = this.url.replace("http://", "")): Promise<void> {
    const names = Object.entries({ "dashboard.folder": dist, ...this.settings });
    const env = names.map(([key, value]) => [`NEXUS_${key.toUpperCase().replaceAll(".", "_")}`, value]);
    this.output = "";
    const broker = spawn(
      join(bin, "nexus"),
      ["serve", "--data", this.data, "--listen", listen, "--spawn", this.agents],
      { env: { ...process.env, ...Object.fromEntries(env) }, stdio: ["ignore", "pipe", "pipe"] },
    );
    this.broker = broker;
    for (const stream of [broker.stdout, broker.stderr]) {
      stream.on("data", (text: Buffer) => (this.output += text.toString()));
    }
    const ended = new Promise<never>((_, reject) =>
      broker.once("exit", (code) => reject(new Error(`nexus ended with ${code}:\n${this.output}`))),
    );
    ended.catch(() => undefined);
    await Promise.race([ended, this.announced()]);
    this.url = /^\s*url\s+(\S+)/m.exec(this.output)?.[1] ?? this.url;
    this.setupToken = /#setup=(\S+)/.exec(this.output)?.[1] ?? this.setupToken;
  }

  private async announced(): Promise<void> {
    await until("the broker is ready", () => this.output.includes("ready in"));
  }

  /** As a power cut would end it. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  private async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const { broker } = this;
    if (!broker || broker.exitCode !== null || broker.signalCode !== null) return;
    const gone = new Promise((resolve) => broker.once("exit", resolve));
    broker.kill(signal);
    await gone;
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The first operator's token. */
  get token(): string {
    return readFileSync(join(this.data, "operator.token"), "utf8").trim();
  }

  /** Lets a script that holds in this home go on. */
  release(aspect: string, file = "go"): void {
    writeFileSync(join(this.agents, aspect, file), "");
  }

  /** A request with the first operator's token. */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1/${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const later = answer.headers.get("Retry-After");
    // Nothing was done; a fast machine asks for more than a client of the API may in a second.
    if (answer.status === 429 && later !== null) {
      await new Promise((resolve) => setTimeout(resolve, Number(later) * 1_000));
      return this.api(method, path, body);
    }
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  async online(...names: string[]): Promise<void> {
    await until(`${names.join(", ")} online`, async () => {
      const { aspects } = await this.api<{ aspects: { name: string; state: string }[] }>("GET", "aspects");
      return names.every((name) => aspects.some((it) => it.name === name && it.state !== "offline"));
    });
  }

  /** `nexctl`, with the first operator's token; what it printed. */
  ctl(...args: string[]): string {
    const done = spawnSync(join(bin, "nexctl"), args, {
      encoding: "utf8",
      env: { ...process.env, NEXUS_URL: this.url, NEXUS_TOKEN: this.token, HOME: this.folder },
    });
    if (done.status !== 0) throw new Error(`nexctl ${args.join(" ")}: ${done.stdout}${done.stderr}`);
    return done.stdout;
  }
}

/** Waits for something outside of the page. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`it did not happen within ${PATIENCE_MS / 1000} s: ${what}`);
    await new Promise((go) => setTimeout(go, 50));
  }
}

if (!existsSync(join(bin, "nexus")))
  throw new Error(`there is no ${bin}/nexus; build it: cargo build --bins`);
if (!existsSync(join(dist, "index.html")))
  throw new Error(`there is no ${dist}; build it: scripts/dashboard build`);
