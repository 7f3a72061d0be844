import { createPrivateKey, createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { base64url, makeKey, makeToken, nameFault, sha256Hex } from "./keys";

describe("keys", () => {
  it("are Ed25519 as a keyfile has them", async () => {
    const { privatePem, publicText } = await makeKey();
    const key = createPrivateKey(privatePem);
    expect(key.asymmetricKeyType).toBe("ed25519");
    expect(createPublicKey(key).export({ format: "jwk" }).x).toBe(publicText);
    expect(privatePem.split("\n").every((line) => line.length <= 64)).toBe(true);
    expect((await makeKey()).publicText).not.toBe(publicText);
  });

  it("and tokens are known by their digest", async () => {
    expect(makeToken()).toMatch(/^nxo_[A-Za-z0-9_-]{43}$/);
    expect(await sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(base64url(new Uint8Array([255, 239, 254, 1]))).toBe("_-_-AQ");
  });
});

it("names are as the broker takes them", () => {
  expect(["", "wren", "a-1", "Wren", "1a", "a".repeat(33)].map((it) => nameFault(it) === undefined)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
