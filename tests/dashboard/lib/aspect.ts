/** An aspect that this test plays itself: it says on its link what no scripted agent would, such as what things cost. */
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { WebSocket } from "ws";
import type { Nexus } from "./nexus";

interface Frame {
  kind: string;
  in_reply_to?: string;
  payload?: Record<string, unknown>;
}

export interface Spent {
  provider: string;
  model: string;
  usage: Record<string, number>;
  /** Absent: at a price nobody knows. */
  cost_microusd?: number;
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

export class Aspect {
  private readonly waiting = new Map<string, (frame: Frame) => void>();

  private constructor(
    readonly name: string,
    private readonly socket: WebSocket,
  ) {
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data)) as Frame;
      // What comes is not looked at, only taken.
      if (frame.kind === "deliver") this.tell("ack", { offset: frame.payload?.offset });
      if (frame.in_reply_to !== undefined) this.waiting.get(frame.in_reply_to)?.(frame);
    });
  }

  /** Lets it in with a key of its own, and connects it. */
  static async join(nexus: Nexus, name: string): Promise<Aspect> {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const { nexus_id } = await nexus.api<{ nexus_id: string }>("GET", "nexus");
    const public_key = publicKey.export({ format: "jwk" }).x;
    await nexus.api("POST", "aspects", { name, public_key, share_knowledge: true });
    const exp = Math.floor(Date.now() / 1000) + 50;
    const claims = base64url({ iss: name, sub: name, aud: nexus_id, jti: randomUUID(), exp });
    const signed = `${base64url({ alg: "EdDSA" })}.${claims}`;
    const { access_token } = await nexus.api<{ access_token: string }>("POST", "token", {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`,
    });
    const socket = new WebSocket(`${nexus.url.replace("http", "ws")}/connect`, "nexus.v1", {
      headers: { Authorization: `Bearer ${access_token}` },
    });
    await new Promise((open, broken) => socket.once("open", open).once("error", broken));
    const aspect = new Aspect(name, socket);
    await aspect.ask("register", { model: "m", provider: "p", context_mode: "thread", hands: [], slots: 1 });
    return aspect;
  }

  ask(kind: string, payload: unknown): Promise<Record<string, unknown>> {
    const id = randomUUID();
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ kind: answer, payload = {} }) => {
        if (answer === "error") reject(new Error(`${kind}: ${String(payload.message)}`));
        else resolve(payload);
      });
      this.tell(kind, payload, id);
    });
  }

  /** A reply to somebody, at a price. */
  async reply(content: string, spent: Spent): Promise<void> {
    await this.ask("chat.send", { to: ["operator/ana"], content, meta: { turn: randomUUID(), ...spent } });
  }

  async store(topic: string, content: string, shared = true): Promise<void> {
    await this.ask("knowledge.store", { topic, content, shared });
  }

  leave(): void {
    this.socket.close();
  }

  private tell(kind: string, payload: unknown, id?: string): void {
    this.socket.send(JSON.stringify({ kind, payload, ...(id === undefined ? {} : { id }) }));
  }
}
