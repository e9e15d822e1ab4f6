"""A client of the library `websockets`: talks to an echo, with and without compression. Started by the test beside it."""

import asyncio
import sys

import websockets


async def talk(address: str, compression: str | None) -> None:
    async with websockets.connect(address, compression=compression, max_size=None) as socket:
        for length in (0, 1, 125, 126, 65535, 65536, 1_000_000):
            text = "é" * (length // 2)
            await socket.send(text)
            assert await socket.recv() == text, length
            data = bytes(number % 251 for number in range(length))
            await socket.send(data)
            assert await socket.recv() == data, length

        async def fragments():
            yield "one "
            yield "two "
            yield "three"

        await socket.send(fragments())
        assert await socket.recv() == "one two three"
        await (await socket.ping(b"there?"))
        await socket.close(4000, "enough")
    assert (socket.close_code, socket.close_reason) == (4000, ""), (socket.close_code, socket.close_reason)


async def main() -> None:
    for compression in (None, "deflate"):
        await talk(sys.argv[1], compression)
    print("done")


asyncio.run(main())
