"""An MCP server made with the official package: `server.py stdio` or `server.py http PORT`. Each start and each call of
`dig` is a line of $MCP_TEST_LOG."""

import os
import sys
import time

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("places")


def note(line):
    with open(os.environ["MCP_TEST_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{line}\n")


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def look(place: str) -> str:
    """Says what is at a place."""
    return f"at {place} there is {os.environ.get('SECRET_PLACE', 'nothing')}; {os.environ.get('OTHER_SECRET')}"


@server.tool()
def dig(place: str) -> dict:
    """Digs at a place."""
    note(f"dig {place}")
    return {"found": place.upper()}


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def fail() -> str:
    """Fails."""
    raise ValueError("it is no use")


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def picture() -> Image:
    """A picture."""
    return Image(data=b"12345", format="png")


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
async def slow(ctx: Context) -> str:
    """Takes two seconds and tells of its progress."""
    import anyio

    for step in range(10):
        await anyio.sleep(0.2)
        await ctx.report_progress(step, 10)
    return "done at last"


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
async def hang() -> str:
    """Never answers."""
    import anyio

    await anyio.sleep(3600)
    return ""


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def die() -> str:
    """Ends the server."""
    note("die")
    os._exit(3)


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
async def learn(ctx: Context) -> str:
    """Makes the server offer one more tool."""
    server.add_tool(lambda: "new indeed", name="fresh", annotations=ToolAnnotations(readOnlyHint=True))
    await ctx.session.send_tool_list_changed()
    return "learnt"


note(f"start {os.getpid()}")
print("the server says hello", file=sys.stderr, flush=True)
if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
