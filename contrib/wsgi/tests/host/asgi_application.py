"""The ASGI application that the suite's cases talk to: one coroutine for each path.

Rules of this room: what happened on this side is kept in `STATE` under the request's query, and `/state` tells it; who waits for another
request waits for an event.
"""

import asyncio
import json
import sys

import asgi_websockets  # noqa: F401 (adds its paths)
from asgi_registry import LIFESPAN, PATHS, PLAIN, STATE, VARIABLE, answer, event, note, path, plain


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    first = "/" + scope["path"].split("/")[1]
    await PATHS.get(first, nowhere)(scope, receive, send)


async def lifespan(scope, receive, send):
    LIFESPAN.append((await receive())["type"])
    scope["state"]["database"] = ["connected"]
    await send({"type": "lifespan.startup.complete"})
    LIFESPAN.append((await receive())["type"])
    print("the lifespan ended with", LIFESPAN, flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def everything(receive):
    body, more, pieces = b"", True, 0
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message.get("body", b"")
        more = message.get("more_body", False)
        pieces += 1
    return body, pieces


async def nowhere(scope, receive, send):
    await answer(send, b"nothing is here", 404)


@path
async def scope(scope, receive, send):
    kinds = {key: type(value).__name__ for key, value in scope.items()}
    await answer(send, json.dumps({"scope": plain(scope), "kinds": kinds}).encode())


@path
async def state(scope, receive, send):
    await answer(send, json.dumps(STATE.get(scope["query_string"].decode(), [])).encode())


@path
async def set(scope, receive, send):
    event(scope).set()
    await answer(send, b"set")


@path
async def echo(scope, receive, send):
    body, _ = await everything(receive)
    await answer(send, body)


@path
async def unread(scope, receive, send):
    await answer(send, b"not read")


@path
async def pieces(scope, receive, send):
    """Tells after each piece that it has come."""
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        note(scope, len(message.get("body", b"")))
    await answer(send, b"all")


@path
async def keys(scope, receive, send):
    """What an event of the request looks like, and the one after the last."""
    first = await receive()
    await answer(send, b"")
    note(scope, plain(first))
    note(scope, plain(await receive()))
    note(scope, plain(await receive()))


@path
async def status(scope, receive, send):
    await answer(send, b"", int(scope["query_string"]))


@path
async def headers(scope, receive, send):
    fields = [(b"x-a", b"1"), [b"x-b", b"caf\xe9"], (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Upper", b"yes")]
    await answer(send, b"h", headers=iter(fields))


@path
async def bare(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


@path
async def hop(scope, receive, send):
    fields = [(b"transfer-encoding", b"chunked"), (b"connection", b"keep-alive"), (b"x-a", b"1")]
    await answer(send, b"whole", headers=fields)


@path
async def length(scope, receive, send):
    """Declares one length and sends another: `declared,sent[,block]`."""
    declared, sent = map(int, scope["query_string"].split(b","))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % declared)]})
    try:
        for number in range(sent):
            await send({"type": "http.response.body", "body": b"x", "more_body": number + 1 < sent})
    except Exception as error:
        note(scope, type(error).__name__)
        raise


@path
async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    for number in range(5):
        await send({"type": "http.response.body", "body": b"block %d\n" % number, "more_body": True})
    await send({"type": "http.response.body"})


@path
async def held(scope, receive, send):
    """Sends one block, and the next when it is told."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await event(scope).wait()
    await send({"type": "http.response.body", "body": b"second", "more_body": False})


@path
async def head_first(scope, receive, send):
    """The head leaves with an empty block, and the content when it is told."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    await event(scope).wait()
    await send({"type": "http.response.body", "body": b"content"})


@path
async def late(scope, receive, send):
    """Starts a response, and fails before there is content."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    raise RuntimeError("on purpose, before the content")


@path
async def broken(scope, receive, send):
    """Fails in the middle of the content."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise RuntimeError("on purpose, in the middle")


@path
async def unfinished(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


@path
async def silent(scope, receive, send):
    pass


@path
async def only_start(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})


@path
async def raises(scope, receive, send):
    raise {b"exit": SystemExit, b"interrupt": KeyboardInterrupt, b"cancel": asyncio.CancelledError}.get(scope["query_string"], ValueError)("on purpose")


@path
async def task_exits(scope, receive, send):
    async def leave():
        sys.exit(1)

    task = asyncio.ensure_future(leave())
    await asyncio.wait([task])
    await answer(send, b"still here")


@path
async def wrong(scope, receive, send):
    """Sends what is no event here; what is raised is the answer."""
    events = {
        "kind": {"type": "http.response.nonsense"},
        "none": {},
        "body-first": {"type": "http.response.body", "body": b""},
        "text": {"type": "http.response.start", "status": 200, "headers": [("x-a", "1")]},
        "split": {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1\r\nx-b: 2")]},
        "status": {"type": "http.response.start", "status": "200"},
    }
    try:
        await send(events[scope["query_string"].decode()])
    except Exception as error:
        return await answer(send, type(error).__name__.encode())
    await answer(send, b"nothing was raised")


@path
async def twice(scope, receive, send):
    """Goes on after its response."""
    await answer(send, b"once")
    await answer(send, b"more")


@path
async def text(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": "text"})


@path
async def background(scope, receive, send):
    await answer(send, b"done")
    await event(scope).wait()
    note(scope, "after the response")


@path
async def disconnect(scope, receive, send):
    """Waits for the client to leave."""
    await everything(receive)
    note(scope, "waiting")
    note(scope, (await receive())["type"])
    try:
        await answer(send, b"too late")
    except OSError:
        note(scope, "OSError")
    else:
        note(scope, "sent")


@path
async def endless(scope, receive, send):
    """Sends until somebody stops it."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    sent = 0
    try:
        while not event(scope).is_set():
            # A server whose send never waits must not hold the loop for ever.
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            sent += 65536
            STATE[scope["query_string"].decode()] = [sent]
    except OSError:
        note(scope, "OSError")


@path
async def restless(scope, receive, send):
    """Sends until somebody stops it, and never waits for anything else."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    note(scope, "begun")
    try:
        while not event(scope).is_set():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    except OSError:
        note(scope, "OSError")


@path
async def ends_badly(scope, receive, send):
    """Raises after a response in blocks that has come whole to its client."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"whole", "more_body": True})
    await send({"type": "http.response.body"})
    await event(scope).wait()
    raise ValueError("the task of %s failed" % scope["query_string"].decode())


@path
async def watched(scope, receive, send):
    """Streams while another task waits for the client to leave, as Starlette does."""
    async def wait():
        while (await receive())["type"] != "http.disconnect":
            pass

    waiting = asyncio.ensure_future(wait())
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    try:
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
    except OSError:
        # It has left before this came to its next step.
        return note(scope, "left")
    done, _ = await asyncio.wait([waiting, asyncio.ensure_future(event(scope).wait())], return_when=asyncio.FIRST_COMPLETED)
    note(scope, "left" if waiting in done else "told")
    if waiting not in done:
        await send({"type": "http.response.body", "body": b"last"})
        await waiting
        note(scope, "ended")


@path
async def duplex(scope, receive, send):
    """Answers each piece while the content still comes."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if message.get("body"):
            await send({"type": "http.response.body", "body": b"[%s]" % message["body"], "more_body": True})
    await send({"type": "http.response.body"})


@path
async def variable(scope, receive, send):
    before = VARIABLE.get()
    VARIABLE.set("used")
    await answer(send, before.encode())


@path
async def change(scope, receive, send):
    """What one request sets in its state is its own; what lies in it is shared."""
    before = "mine" in scope["state"]
    scope["state"]["mine"] = True
    await answer(send, json.dumps([before, scope["state"]["database"]]).encode())


@path
async def meet(scope, receive, send):
    """Two requests at once on one loop."""
    if event(scope).is_set():
        await answer(send, b"second")
    else:
        event(scope).set()
        await answer(send, b"first")


@path
async def bytearrays(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": bytearray(b"array "), "more_body": True})
    await send({"type": "http.response.body", "body": memoryview(b"view")})
