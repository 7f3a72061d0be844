// Shows the OpenAPI document of this broker. No library; text is set as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

/** Text as it is written in the document: what stands between backticks is code. */
function prose(text) {
  return (text || "").split(/`([^`]+)`/).map((part, at) => (at % 2 ? el("code", {}, part) : part));
}

function resolve(api, value) {
  let seen = 0;
  while (value && value.$ref && seen++ < 16) {
    value = value.$ref.slice(2).split("/").reduce((at, key) => at && at[key], api);
  }
  return value || {};
}

/** One of several: in a line if that is short. */
function listed(parts, depth) {
  const line = parts.join(" | ");
  if (line.length <= 64 || line.includes("\n")) return line;
  const pad = "  ".repeat(depth + 1);
  return parts.map((part) => `\n${pad}| ${part}`).join("");
}

/** A schema in the words of its reader: names of types, not of keywords. */
function shape(api, schema, depth = 0) {
  const name = schema && schema.$ref ? schema.$ref.split("/").pop() : null;
  const it = resolve(api, schema);
  if (it === true || Object.keys(it).length === 0) return "anything";
  if (it.const !== undefined) return JSON.stringify(it.const);
  if (it.enum) return listed(it.enum.map((value) => JSON.stringify(value)), depth);
  const some = (it.oneOf || it.anyOf || it.allOf || []).filter((part) => part.type !== "null");
  if (some.length) {
    const words = (part) => (resolve(api, part).enum || []).map((value) => JSON.stringify(value));
    const parts = [...new Set(some.flatMap((part) => (words(part).length ? words(part) : [shape(api, part, depth)])))];
    return it.allOf ? parts.join(" & ") : listed(parts, depth);
  }
  // That a field may be left out is said by its `?`.
  const kinds = [].concat(it.type || (it.properties ? "object" : "anything")).filter((kind) => kind !== "null");
  return kinds.map((kind) => {
    if (kind === "array") return `[${shape(api, it.items || {}, depth)}]`;
    if (kind !== "object" || !it.properties) return it.format ? `${kind} (${it.format})` : kind;
    if (depth > 5) return name || "object";
    const pad = "  ".repeat(depth + 1);
    const required = new Set(it.required || []);
    const fields = Object.entries(it.properties).map(([key, field]) => {
      const about = resolve(api, field).description || field.description;
      const note = about && depth < 2 ? `// ${about.split("\n")[0]}` : "";
      const line = `${pad}${key}${required.has(key) ? "" : "?"}: ${shape(api, field, depth + 1)}`;
      if (!note) return line;
      const fits = !line.includes("\n") && line.length + note.length <= 94;
      return fits ? `${line}  ${note}` : `${pad}${note}\n${line}`;
    });
    return `{\n${fields.join("\n")}\n${"  ".repeat(depth)}}`;
  }).join(" | ");
}

/** The text of a shape, with its notes set back. */
function shapeText(text) {
  return el("pre", {}, text.split(/((?:^|(?<=\n)) *\/\/ .*|  \/\/ .*)/m)
    .map((part, at) => (at % 2 ? el("span", { class: "soft" }, part) : part)));
}

function curl(path, method, operation, body) {
  const parts = [method === "get" ? "curl" : `curl -X ${method.toUpperCase()}`];
  if (operation.security) parts.push('-H "Authorization: Bearer $NEXUS_TOKEN"');
  if (body !== undefined) {
    parts.push('-H "Content-Type: application/json"');
    parts.push(`-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`);
  }
  parts.push(`${location.origin}${path}`);
  return parts.join(parts.length > 2 ? " \\\n  " : " ");
}

function operationSection(api, path, method, operation) {
  const body = operation.requestBody && resolve(api, operation.requestBody).content["application/json"];
  const parameters = (operation.parameters || []).map((it) => resolve(api, it));
  const rows = parameters.map((it) => el("tr", {},
    el("td", {}, el("code", {}, it.name), it.required ? "" : el("span", { class: "soft" }, " optional")),
    el("td", {}, it.in), el("td", {}, el("code", {}, shape(api, it.schema))), el("td", {}, prose(it.description))));
  const responses = Object.entries(operation.responses || {}).map(([status, response]) => {
    const it = resolve(api, response);
    return el("tr", {}, el("td", {}, el("code", {}, status)), el("td", {}, prose(it.description)));
  });
  const ok = resolve(api, (operation.responses || {})["200"]);
  const answer = ok.content && Object.values(ok.content)[0];
  return el("section", { class: "operation", id: operation.operationId },
    el("h3", {}, el("a", { href: `#${operation.operationId}` }, operation.summary || operation.operationId)),
    el("p", { class: "path" }, el("code", {}, el("span", { class: "method" }, method), ` ${path}`)),
    operation.description ? el("p", {}, prose(operation.description)) : null,
    rows.length ? [el("h4", {}, "Parameters"), el("table", {}, rows)] : [],
    body ? [el("h4", {}, "Body"), shapeText(shape(api, body.schema))] : [],
    el("h4", {}, "Example"), el("pre", {}, curl(path, method, operation, body && body.example)),
    answer && answer.schema ? [el("h4", {}, "Answer"), shapeText(shape(api, answer.schema))] : [],
    el("details", {}, el("summary", {}, "Statuses"), el("table", {}, responses)));
}

function show(api) {
  const main = document.getElementById("main");
  const index = document.getElementById("index");
  document.title = `${api.info.title} API ${api.info.version}`;
  const about = (api.info.description || "").split("\n\n").map((text) => el("p", {}, prose(text)));
  main.replaceChildren(el("h1", {}, `${api.info.title} API `, el("span", { class: "soft" }, api.info.version)),
    ...about, el("p", {}, el("a", { href: "/api/v1/openapi.json" }, "openapi.json")));
  for (const tag of api.tags || []) {
    const found = Object.entries(api.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method] && (item[method].tags || []).includes(tag.name))
        .map((method) => [path, method, item[method]]));
    if (!found.length) continue;
    main.append(el("h2", {}, tag.name), el("p", { class: "soft" }, prose(tag.description)));
    const group = el("div", {}, el("h2", {}, tag.name));
    index.append(group);
    for (const [path, method, operation] of found) {
      main.append(operationSection(api, path, method, operation));
      group.append(el("a", { href: `#${operation.operationId}`, title: `${method.toUpperCase()} ${path}` },
        operation.summary || operation.operationId));
    }
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

const contents = document.getElementById("contents");
const narrow = matchMedia("(max-width: 720px)");
const fold = () => { contents.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();

const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const link of document.querySelectorAll("#index a")) {
    link.hidden = !`${link.textContent} ${link.title}`.toLowerCase().includes(wanted);
  }
  for (const group of document.querySelectorAll("#index div")) {
    group.hidden = !group.querySelector("a:not([hidden])");
  }
  if (wanted) contents.open = true;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== filter) {
    event.preventDefault();
    filter.focus();
  }
});

fetch("/api/v1/openapi.json")
  .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`HTTP ${response.status}`))))
  .then(show)
  .catch((error) => {
    document.getElementById("status").textContent = `Cannot show the document: ${error.message}. Reload the page.`;
  });
