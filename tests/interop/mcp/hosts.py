"""The official client, connected to a node in each way that there is."""

import contextlib
import json
import warnings

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from nodes import PROGRAM

#: Transport, and how the client negotiates: the newest protocol, or the handshake of those before.
WAYS = [(transport, mode) for transport in ("stdio", "http") for mode in ("auto", "legacy")]

warnings.simplefilter("ignore", ResourceWarning)


@contextlib.asynccontextmanager
async def connected(node, way, files=None, **options):
    """A client of `node` over `way`."""
    transport, mode = way
    if transport == "stdio":
        opened = ["--files", str(files)] if files else []
        server = StdioServerParameters(
            command=PROGRAM, args=["--data-dir", str(node.dir), "mcp", *opened]
        )
        async with Client(server, mode=mode, **options) as client:
            yield client
        return
    address = node.run("api", "url")["address"]
    headers = {"Authorization": f"Bearer {node.run('api', 'token')['token']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        server = streamable_http_client(f"http://{address}/mcp", http_client=http)
        async with Client(server, mode=mode, **options) as client:
            yield client


def data(result):
    """The data of a good result, which its text holds as well; the client has checked it by the schema."""
    assert not result.is_error, result
    [text] = result.content
    assert json.loads(text.text) == result.structured_content, result
    return result.structured_content


def failure(result):
    """What a failed call says, and the kind of its failure."""
    assert result.is_error, result
    [text] = result.content
    return text.text, (result.meta or {}).get("peer/failure", {}).get("kind")
