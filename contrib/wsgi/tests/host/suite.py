"""How a case is written down, for every suite of this folder."""

import time
import uuid

from client import PATIENCE


def collector(cases):
    """A decorator that adds a function to the cases; `good` ones talk to applications that keep their interface."""

    def case(sentence, good=True):
        def add(function):
            function.name = function.__name__.replace("_", "-")
            function.sentence, function.good = sentence, good
            cases.append(function)
            return function

        return add

    return case


def same(seen, expected):
    assert seen == expected, "expected %.200s, saw %.200s" % (repr(expected), repr(seen))


def unique():
    return uuid.uuid4().hex[:12]


def stands_still(client, key):
    """What was sent when it goes no further."""
    seen, since, end = -1, time.monotonic(), time.monotonic() + PATIENCE
    while time.monotonic() - since < 1:
        now = client.state(key, 1)[0]
        if now != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() < end and seen < 64 * 1024 * 1024, "%d bytes, and no end" % seen
        time.sleep(0.05)
    return seen


def headers(told, name):
    """The values of a header in a scope of ASGI, as JSON tells it."""
    return [value[1] for (_, key), value in told["headers"] if key == name]
