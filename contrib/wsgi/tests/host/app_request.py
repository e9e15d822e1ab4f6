"""Applications that tell what they were given: the environ and the content."""

import os
import threading
from wsgiref.util import request_uri

from registry import answer, gate, GATES, good, key, LOCK, STATE, VARIABLE, wrong


@good
def environ(environ, start_response):
    told = {name: [type(value).__name__, value] for name, value in environ.items() if isinstance(value, str)}
    types = {name: type(value).__name__ for name, value in environ.items()}
    return answer(
        start_response,
        {
            "strings": told,
            "types": types,
            "exact": type(environ) is dict,
            "version": list(environ["wsgi.version"]),
            "version_type": type(environ["wsgi.version"]).__name__,
            "multithread": bool(environ["wsgi.multithread"]),
            "multiprocess": bool(environ["wsgi.multiprocess"]),
            "run_once": bool(environ["wsgi.run_once"]),
            "terminated": bool(environ.get("wsgi.input_terminated")),
            "url": request_uri(environ) if environ.get("PATH_INFO") else "",
        },
    )


@good
def spoil(environ, start_response):
    seen = environ.get("spoilt", "no")
    environ["spoilt"] = "yes"
    environ["HTTP_SPOILT"] = "yes"
    return answer(start_response, seen)


@good
def context(environ, start_response):
    seen = VARIABLE.get()
    VARIABLE.set("used")
    return answer(start_response, seen)


@good
def state(environ, start_response):
    with LOCK:
        return answer(start_response, STATE.get(key(environ).replace("+", " "), []))


@good
def pid(environ, start_response):
    return answer(start_response, os.getpid())


@good
def release(environ, start_response):
    gate(environ).set()
    return answer(start_response, "released")


@good
def together(environ, start_response):
    # Answers once two calls are here at the same time.
    with LOCK:
        barrier = GATES.setdefault("together " + key(environ), threading.Barrier(2))
    try:
        barrier.wait(5)
    except threading.BrokenBarrierError:
        return answer(start_response, False)
    return answer(start_response, True)


def length(environ):
    return int(environ.get("CONTENT_LENGTH") or 0)


@good
def read(environ, start_response):
    return answer(start_response, environ["wsgi.input"].read(length(environ)).decode("latin-1"))


@wrong  # no argument: allowed of files, and wsgiref.validate wants one
def read_all(environ, start_response):
    return answer(start_response, environ["wsgi.input"].read().decode("latin-1"))


@good
def read_minus(environ, start_response):
    return answer(start_response, environ["wsgi.input"].read(-1).decode("latin-1"))


@good
def read_parts(environ, start_response):
    stream = environ["wsgi.input"]
    return answer(start_response, [stream.read(size).decode() for size in (0, 3, 4, 1000, 1000)])


@good
def readline(environ, start_response):
    stream = environ["wsgi.input"]
    return answer(start_response, [stream.readline().decode() for _ in range(4)])


@good
def readline_size(environ, start_response):
    stream = environ["wsgi.input"]
    return answer(start_response, [stream.readline(size).decode() for size in (2, 100, 3)])


@good
def readlines(environ, start_response):
    return answer(start_response, [line.decode() for line in environ["wsgi.input"].readlines()])


@good
def readlines_hint(environ, start_response):
    return answer(start_response, [line.decode() for line in environ["wsgi.input"].readlines(5)])


@good
def lines(environ, start_response):
    return answer(start_response, [line.decode() for line in environ["wsgi.input"]])


@good
def mixed(environ, start_response):
    stream = environ["wsgi.input"]
    return answer(start_response, [stream.readline().decode(), stream.read(2).decode(), stream.read(1000).decode()])


@good
def count(environ, start_response):
    stream, total = environ["wsgi.input"], 0
    while True:
        block = stream.read(65536)
        if not block:
            return answer(start_response, total)
        total += len(block)


@good
def unread(environ, start_response):
    return answer(start_response, "not read")


@good
def complain(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("mark-write-%s\n" % key(environ))
    errors.writelines(["mark-lines-%s\n" % key(environ)])
    errors.flush()
    return answer(start_response, "complained")
