// Writes src/wire/*.ts from docs/schema/*.json; with --check says whether they are current.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";
import { format } from "prettier";

const here = dirname(fileURLToPath(import.meta.url));
const schemas = join(here, "../../../docs/schema");
const out = join(here, "../src/wire");

const read = (name) => JSON.parse(readFileSync(join(schemas, `${name}.json`), "utf8"));

/** Every definition of `documents` under one name each; two that differ under one name are a fault. */
function merged(documents) {
  const all = {};
  for (const document of documents) {
    for (const [name, definition] of Object.entries(document.$defs)) {
      const known = all[name];
      if (known && JSON.stringify(known) !== JSON.stringify(definition)) {
        throw new Error(`${name} stands for two things`);
      }
      all[name] = definition;
    }
  }
  return all;
}

/** What frames of `document` carry, by their kind. */
function payloads(document) {
  const properties = {};
  for (const frame of document.oneOf) {
    properties[frame.properties.kind.const] = frame.properties.payload ?? { type: "object" };
  }
  return {
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  };
}

const ANNOTATIONS = ["default", "description", "title"];

/** The schema as the compiler of types understands it: references stand alone, and what is absent is never null. */
function settle(node) {
  if (Array.isArray(node)) return node.map(settle);
  if (node === null || typeof node !== "object") return node;
  if (typeof node.$ref === "string") {
    const { $ref, ...beside } = node;
    const says = Object.keys(beside).filter((key) => !ANNOTATIONS.includes(key));
    if (says.length === 0) return { $ref };
    return { allOf: [{ $ref }, settle(beside)] };
  }
  const next = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, settle(value)]));
  if (next.type === "object" && next.properties && !("additionalProperties" in next)) {
    next.additionalProperties = false;
  }
  if (typeof next.title === "string") delete next.title;
  if (Array.isArray(next.type) && next.type.length === 2 && next.type[1] === "null") next.type = next.type[0];
  if (Array.isArray(next.anyOf) && next.anyOf.length === 2 && next.anyOf[1].type === "null") {
    return next.anyOf[0];
  }
  return next;
}

const HEAD = "// Made from docs/schema by `npm run types`. Not to be edited.";

async function write(file, definitions, roots) {
  const root = {
    type: "object",
    properties: Object.fromEntries(Object.keys(roots).map((name) => [name, { $ref: `#/$defs/${name}` }])),
    required: Object.keys(roots),
    additionalProperties: false,
    $defs: settle({ ...definitions, ...roots }),
  };
  const types = await compile(root, "Everything", {
    additionalProperties: false,
    bannerComment: HEAD,
    format: false,
    unreachableDefinitions: true,
  });
  // The compiler says of each type which schema it is of; here that is its name.
  const plain = types.replaceAll(
    /(\n \*)?\n \* This interface was referenced by .*\n \* via the `?\w+`? .*\./g,
    "",
  );
  const text = await format(plain.replaceAll("/**\n */\n", ""), { parser: "typescript", printWidth: 110 });
  const path = join(out, file);
  if (process.argv.includes("--check")) {
    if (readFileSync(path, "utf8") !== text) {
      console.error(`src/wire/${file} is not what docs/schema says; run: npm run types`);
      process.exitCode = 1;
    }
    return;
  }
  writeFileSync(path, text);
}

const [toBroker, fromBroker, replies] = [read("to-broker"), read("from-broker"), read("replies")];

await write("frames.ts", merged([toBroker, fromBroker, replies]), {
  Asks: payloads(toBroker),
  Tells: payloads(fromBroker),
  Answers: { type: "object", properties: replies.properties, required: replies.required },
});
const http = read("http");
await write("http.ts", http.$defs, {});
