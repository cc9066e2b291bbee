import asyncio
import contextlib
import socket

import falcon.asgi
import uvloop

from ops.mock_posting.port import Port
from ops.ports import free_port


def test_all_connections_that_wait_are_taken_in_a_few_turns_of_the_loop() -> None:
    uvloop.run(take_many())


async def take_many() -> None:
    port = free_port()
    data = Port(falcon.asgi.App(), "127.0.0.1", port)
    await data.open()
    with contextlib.ExitStack() as open_ones:
        for _ in range(200):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
        for _ in range(20):
            await asyncio.sleep(0)
        await data.move()
        assert data.moved.connections == 200
        await data.close()
