"""The WebSockets that the suite's cases talk to: one coroutine for each path, of `asgi_registry`'s kind."""

import asyncio
import json

from asgi_registry import STATE, event, note, path, plain


@path
async def ws_scope(scope, receive, send):
    note(scope, (await receive())["type"])
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(plain(scope))})
    await send({"type": "websocket.close"})


@path
async def ws_echo(scope, receive, send):
    await receive()
    offered = scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": offered[-1] if offered else None, "headers": [(b"x-a", b"1")]})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            note(scope, [message["code"], message.get("reason", "")])
            try:
                await send({"type": "websocket.send", "text": "too late"})
            except OSError:
                note(scope, "OSError")
            return
        await send({**message, "type": "websocket.send"})


@path
async def ws_deny(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


@path
async def ws_response(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"no user")]})
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you?"})


@path
async def ws_close(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4321, "reason": "because"})
    note(scope, (await receive())["type"])


@path
async def ws_return(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})


@path
async def ws_raise(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    raise RuntimeError("on purpose, in a WebSocket")


@path
async def ws_raise_early(scope, receive, send):
    await receive()
    raise RuntimeError("on purpose, in a handshake")


@path
async def ws_unanswered(scope, receive, send):
    await receive()


@path
async def ws_early(scope, receive, send):
    """Sends before it accepts; tells what was raised."""
    await receive()
    try:
        await send({"type": "websocket.send", "text": "x"})
    except Exception as error:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": type(error).__name__})
        await send({"type": "websocket.close"})


@path
async def ws_push(scope, receive, send):
    """Two tasks: one receives, the other sends."""
    await receive()
    await send({"type": "websocket.accept"})

    async def push():
        for number in range(100):
            await send({"type": "websocket.send", "bytes": b"%d" % number})

    pushing = asyncio.ensure_future(push())
    heard = (await receive()).get("text")
    await pushing
    await send({"type": "websocket.send", "text": heard})
    await send({"type": "websocket.close"})


@path
async def ws_flood(scope, receive, send):
    """Sends until the client leaves; backpressure shows in how far it came."""
    await receive()
    await send({"type": "websocket.accept"})
    sent = 0
    try:
        while not event(scope).is_set():
            await asyncio.sleep(0)
            await send({"type": "websocket.send", "bytes": b"x" * 65536})
            sent += 65536
            STATE[scope["query_string"].decode()] = [sent]
    except OSError:
        note(scope, "OSError")
