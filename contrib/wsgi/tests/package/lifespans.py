"""ASGI applications whose startup goes well, badly, or nowhere."""

import asyncio
import functools
import threading


async def answer(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


async def fails(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    await send({"type": "lifespan.startup.failed", "message": "there is no database"})


async def never_starts(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    print("it waits for its database", flush=True)
    await asyncio.Event().wait()


async def knows_none(scope, receive, send):
    assert scope["type"] == "http", "only HTTP is served here"
    await answer(send, b"served without a lifespan")


class Instance:
    """An object with an asynchronous __call__."""

    async def __call__(self, scope, receive, send):
        await knows_none(scope, receive, send)


instance = Instance()
partial = functools.partial(knows_none)


async def slow_end(scope, receive, send):
    """What goes on after the response holds the end up, and then the lifespan ends."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["tasks"] = []
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutdown after", scope["state"]["tasks"], flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await answer(send, b"going on")
    with open(scope["query_string"].decode(), "rb") as pipe:
        # Open first: once its other end is closed nobody could open it any more.
        print("a task waits", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, pipe.read)
    scope["state"]["tasks"].append("a task that ended")


async def watches(scope, receive, send):
    """As Django has it: beside what makes the answer somebody waits for the client to leave, and would cancel it then."""
    assert scope["type"] == "http", "no lifespan"
    while (await receive())["more_body"]:
        pass
    departure = asyncio.ensure_future(receive())
    loop = asyncio.get_running_loop()
    with open(scope["query_string"].decode(), "rb") as pipe:
        print("it watches", flush=True)
        await loop.run_in_executor(None, pipe.read)
    await answer(send, b"gone" if departure.done() else b"there")
    departure.cancel()


async def fails_at_the_end(scope, receive, send):
    if scope["type"] == "http":
        return await answer(send, b"served")
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "the database did not say goodbye"})


async def paths(scope, receive, send):
    assert scope["type"] == "http", "no lifespan"
    await answer(send, ("%s in %s" % (scope["path"], scope["root_path"])).encode())


async def never_ends(scope, receive, send):
    """A thread that nobody can end."""
    assert scope["type"] == "http", "no lifespan"
    print("it begins", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)


async def reads(scope, receive, send):
    """Reads all of the content; says whether it came or the exchange ended before."""
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    length, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            print("the content was too large", flush=True)
            return
        length, more = length + len(event["body"]), event["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % length})
