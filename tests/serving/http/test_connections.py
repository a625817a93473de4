"""What comes before and around a body, over real sockets and without a model behind them."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from regrow.serving.http import connections
from regrow.serving.http.connections import MOST_HEAD, BoundedConnection


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


async def answer(scope: Any, receive: Any, send: Any):
    """Answer with the length of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        size += len(message.get("body", b""))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"%d bytes" % size})


@asynccontextmanager
async def connected():
    """Connect to a server whose connections are bounded."""
    config = uvicorn.Config(answer, http=BoundedConnection, ws="none", lifespan="off")
    config.load()
    make = partial(BoundedConnection, config=config, server_state=ServerState(), app_state={})
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def tell(*parts: Any, most: Any = 400):
    """Send *parts* until the server hangs up; return what it answers, and how many parts it took."""
    taken = 0
    async with connected() as (reader, writer):
        try:
            for part in parts[:most]:
                writer.write(part)
                await asyncio.wait_for(writer.drain(), 5)
                await asyncio.sleep(0)
                taken += 1
            return (await asyncio.wait_for(reader.read(), 5)).decode(), taken
        except ConnectionError:
            return "", taken


START = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([START, b"X-Long: " + b"x" * (MOST_HEAD - 100), b"\r\n\r\n"], "0 bytes"),
        ([CHUNKED, *[b"1\r\nx\r\n"] * 300, b"0\r\n\r\n"], "300 bytes"),
        ([CHUNKED, b"186a0\r\n", b"x" * 100_000, b"\r\n0\r\n\r\n"], "100000 bytes"),
    ],
)
async def test_what_clients_send_is_read(parts: Any, said: Any):
    """A head of nearly 64 kB, a body in chunks of one byte, and a large one are answered."""
    assert said in (await tell(*parts))[0]


@pytest.mark.parametrize(
    "parts",
    [
        [START, *[b"X-More: " + b"x" * 10_000 + b"\r\n"] * 300],
        [START, b"X-Endless: ", *[b"x" * 10_000] * 300],
        [b"GET /", *[b"x" * 10_000] * 300],
        [CHUNKED, b"0\r\n", *[b"X-Trailer: " + b"x" * 10_000 + b"\r\n"] * 300],
        [CHUNKED, *[b"1;" + b"x" * 10_000 + b"\r\nx\r\n"] * 300],
    ],
)
async def test_a_head_without_end_is_cut_off(parts: Any):
    """Headers, one header, an address, trailers or what stands beside chunks: 3 MB of it are not kept."""
    said, taken = await tell(*parts)
    assert "bytes" not in said
    assert said == "" or said.startswith("HTTP/1.1 400 ")
    assert taken < len(parts)


@pytest.mark.parametrize("part", [b"", b"POST / HT", START])
async def test_a_head_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch, part: Any):
    """Who connects and sends nothing, or half a head, is hung up on; a body then has its own time."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    assert (await tell(part))[0].startswith("HTTP/1.1 400 ")
    async with connected() as (reader, writer):
        writer.write(START + b"Content-Length: 2\r\n\r\n")
        await asyncio.sleep(0.4)
        writer.write(b"ab")
        assert b"2 bytes" in await reader.read()
