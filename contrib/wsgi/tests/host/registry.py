"""What the suite's applications share: their paths, and what they note.

Rules of these rooms (app_*.py): what is under `good` keeps PEP 3333 to the letter, so that wsgiref.validate around it is silent; what is under
`wrong` breaks it on purpose; what happened on this side is kept in `STATE`, and `/state` tells it.
"""

import contextvars
import json
import threading

GOOD, WRONG = {}, {}
STATE = {}
GATES = {}
LOCK = threading.Lock()
VARIABLE = contextvars.ContextVar("VARIABLE", default="fresh")
PLAIN = [("Content-Type", "text/plain")]


def good(function):
    GOOD["/" + function.__name__] = function
    return function


def wrong(function):
    WRONG["/" + function.__name__] = function
    return function


def note(key, value=1):
    with LOCK:
        STATE.setdefault(key, []).append(value)


def gate(environ):
    """An event that another request opens; by the request's own key."""
    with LOCK:
        return GATES.setdefault(environ.get("QUERY_STRING", ""), threading.Event())


def key(environ):
    return environ.get("QUERY_STRING", "")


class Closing:
    """An iterable that notes its end."""

    def __init__(self, name, blocks):
        self.name, self.blocks = name, iter(blocks)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        note("closed " + self.name)


def answer(start_response, value):
    content = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]
