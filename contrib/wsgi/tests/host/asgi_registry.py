"""What the suite's ASGI application shares: its paths, and what it notes.

Rules of this room: what happened on this side is kept in `STATE` under the request's query, and `/state` tells it; who waits for another
request waits for an event.
"""

import asyncio
import contextvars

PATHS = {}
STATE = {}
EVENTS = {}
LIFESPAN = []
VARIABLE = contextvars.ContextVar("VARIABLE", default="fresh")
PLAIN = [(b"content-type", b"text/plain")]


def path(function):
    PATHS["/" + function.__name__] = function
    return function


async def answer(send, body=b"", status=200, headers=PLAIN):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def note(scope, what):
    STATE.setdefault(scope["query_string"].decode(), []).append(what)


def event(scope):
    return EVENTS.setdefault(scope["query_string"], asyncio.Event())


def plain(value):
    """A scope in JSON: bytes as ["bytes", latin-1]."""
    if isinstance(value, bytes):
        return ["bytes", value.decode("latin-1")]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
