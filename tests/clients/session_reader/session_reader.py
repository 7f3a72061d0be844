"""Reads a session file and prints its head, what it says to a model, and what is wrong with it, as JSON.

Written from docs/session-format.md alone, with the standard library: python3 session_reader.py <file> [<entry>]
"""

import json
import re
import sys

BLOCKS = {"text": {"text": str}, "thinking": {"text": str}, "tool_use": {"id": str, "name": str, "input": object},
          "tool_result": {"tool_use_id": str, "content": str}}
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
INTERRUPTED = "interrupted: the process ended before this call had a result; it may or may not have taken effect"


def is_entry(value):
    return (isinstance(value, dict) and is_id(value.get("id")) and "payload" in value and isinstance(value.get("kind"), str)
            and isinstance(value.get("ts"), str) and "parentId" in value
            and (value["parentId"] is None or is_id(value["parentId"])))


def is_id(value):
    return isinstance(value, str) and UUID.match(value) is not None


def fits(kind, payload):
    """Whether a payload is one of its kind."""
    if kind.startswith("turn."):
        if not isinstance(payload, dict) or not isinstance(payload.get("content"), list):
            return False
        for block in payload["content"]:
            fields = BLOCKS.get(block.get("type")) if isinstance(block, dict) else None
            if fields is None or not all(isinstance(block.get(name), type_) for name, type_ in fields.items()):
                return False
        return True
    needed = {"system.prompt": ["text", "source"], "compaction": ["summary", "firstKeptEntryId"],
              "branch_summary": ["summary", "of"], "situation": ["text"]}.get(kind, [])
    return isinstance(payload, dict) and all(isinstance(payload.get(name), str) for name in needed) or not needed


def read(path):
    entries, head, problems = {}, None, []
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    torn = lines.pop()
    for number, line in enumerate([*lines, torn] if torn else lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if number == 1 and isinstance(entry, dict) and entry.get("format") == "nexus-session":
            if entry.get("version", 0) > 1:
                sys.exit("made by a newer version")
            continue
        if number == 1:
            problems.append((1, "header"))
        if not is_entry(entry):
            if number > 1:
                problems.append((number, "torn" if line is torn else "unreadable"))
            continue
        if entry["id"] in entries:
            problems.append((number, "duplicate"))
            continue
        if entry["parentId"] is not None and entry["parentId"] not in entries:
            problems.append((number, "parent"))
            entry["parentId"] = head
        if not fits(entry["kind"], entry["payload"]):
            problems.append((number, "payload"))
            entry["damaged"] = True
        entries[entry["id"]] = entry
        if entry["kind"] != "custom.head":
            head = entry["id"]
        elif isinstance(entry["payload"], dict) and "head" in entry["payload"]:
            to = entry["payload"]["head"]
            if to is None or to in entries:
                head = to
            else:
                problems.append((number, "head"))
    return entries, head, problems


def branch_of(entries, leaf):
    branch = []
    while leaf is not None:
        branch.append(entries[leaf])
        leaf = entries[leaf]["parentId"]
    return branch[::-1]


def replay(branch):
    whole = [entry for entry in branch if not entry.get("damaged")]
    system, additions = "", []
    for entry in whole:
        if entry["kind"] == "system.prompt":
            if entry["payload"].get("adds"):
                additions.append(entry["payload"]["text"])
            else:
                system = entry["payload"]["text"]
    for addition in additions:
        system = f"{system}\n\n{addition}" if system else addition
    said, begin = [], 0
    ids = [entry["id"] for entry in branch]
    for at in range(len(branch) - 1, -1, -1):
        entry = branch[at]
        if entry["kind"] != "compaction" or entry.get("damaged"):
            continue
        first = entry["payload"]["firstKeptEntryId"]
        if first in ids[:at]:
            begin = ids.index(first)
            said.append(("user", [text("[summary of the conversation so far]\n" + entry["payload"]["summary"])]))
            standing = [it for it in branch[at:] if it["kind"] == "situation" and not it.get("damaged")]
            if standing:
                said.append(("user", [text("[how things stand]\n" + standing[-1]["payload"]["text"])]))
            break
    for entry in branch[begin:]:
        if entry.get("damaged"):
            continue
        kind, payload = entry["kind"], entry["payload"]
        if kind in ("turn.user", "turn.tool_result"):
            said.append(("user", payload["content"]))
        elif kind == "turn.assistant":
            said.append(("assistant", payload["content"]))
        elif kind == "branch_summary":
            said.append(("user", [text("[summary of another branch of this conversation]\n" + payload["summary"])]))
    return {"system": system, "messages": normal(said)}


def text(words):
    return {"type": "text", "text": words}


def normal(said):
    """As any provider takes it."""
    messages, calls, words, answered = [], [], [], set()

    def put(role, content):
        if not content:
            return
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += content
        else:
            messages.append({"role": role, "content": content})

    def end_user():
        missing = [{"type": "tool_result", "tool_use_id": id_, "content": INTERRUPTED, "is_error": True}
                   if result is None else result for id_, result in calls]
        put("user", missing + words)
        calls.clear()
        words.clear()

    for role, content in said:
        if role == "assistant":
            end_user()
            answered.clear()
            kept = [block for block in content if block["type"] in ("thinking", "tool_use")
                    or block["type"] == "text" and block["text"]]
            calls += [[block["id"], None] for block in kept if block["type"] == "tool_use"]
            if kept and not messages:
                put("user", [text("[the beginning of this conversation is missing]")])
            put("assistant", kept)
            continue
        for block in content:
            if block["type"] == "tool_result":
                free = [call for call in calls if call[0] == block["tool_use_id"] and call[1] is None]
                if free:
                    free[0][1] = block
                    answered.add(block["tool_use_id"])
                elif block["tool_use_id"] not in answered:
                    lost = "[result of a tool call that is missing from this conversation]\n"
                    words.append(text(lost + block["content"]))
            elif block["type"] == "text" and block["text"]:
                words.append(block)
    end_user()
    return messages


if __name__ == "__main__":
    found, leaf, wrong = read(sys.argv[1])
    leaf = sys.argv[2] if len(sys.argv) > 2 else leaf
    print(json.dumps({"head": leaf, "problems": [number for number, _ in wrong], **replay(branch_of(found, leaf))}))
