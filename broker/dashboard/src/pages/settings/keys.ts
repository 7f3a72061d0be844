/**
 * Keys and tokens that are made in the browser: the private half of a key is in the file that is downloaded and
 * nowhere else, and of a token the broker is told the SHA-256 alone.
 */

/** `<home>/.nexus/key.json`. */
export interface KeyFile {
  version: 1;
  name: string;
  nexus_id: string;
  url: string;
  ca_pem?: string;
  /** PKCS#8 in PEM. */
  private_key: string;
  public_key: string;
}

export interface KeyPair {
  /** PKCS#8 in PEM. */
  privatePem: string;
  /** 32 bytes, base64url without padding. */
  publicText: string;
}

/** Browsers make keys for pages over TLS and on the same machine alone; older ones know no Ed25519. */
export class NoCrypto extends Error {
  constructor() {
    super(
      "this browser makes no Ed25519 keys here: open the dashboard over https or on the broker's machine, with a " +
        "browser of 2025 or later; or use `nexus aspect add` there",
    );
    this.name = "NoCrypto";
  }
}

const base64 = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

export const base64url = (bytes: Uint8Array) =>
  base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function pem(label: string, bytes: Uint8Array): string {
  const lines = base64(bytes).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

export const isAble = (): boolean =>
  (globalThis as { crypto?: { subtle?: unknown } }).crypto?.subtle !== undefined;

export async function makeKey(): Promise<KeyPair> {
  if (!isAble()) throw new NoCrypto();
  let pair: CryptoKeyPair;
  try {
    pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  } catch {
    throw new NoCrypto();
  }
  const [secret, open] = await Promise.all([
    crypto.subtle.exportKey("pkcs8", pair.privateKey),
    crypto.subtle.exportKey("raw", pair.publicKey),
  ]);
  return {
    privatePem: pem("PRIVATE KEY", new Uint8Array(secret)),
    publicText: base64url(new Uint8Array(open)),
  };
}

/** An operator's API token: 256 random bits. */
export function makeToken(): string {
  return `nxo_${base64url(crypto.getRandomValues(new Uint8Array(32)))}`;
}

export async function sha256Hex(text: string): Promise<string> {
  if (!isAble()) throw new NoCrypto();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A file made here, offered to whoever looks at the page. */
export function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  anchor.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** What a name of an aspect, a person or a token looks like. */
export const NAME = /^[a-z][a-z0-9-]{0,31}$/;
export const NAME_HINT = "Lower-case letters, digits and dashes, beginning with a letter.";

export const nameFault = (name: string): string | undefined =>
  name === "" || NAME.test(name) ? undefined : NAME_HINT;
