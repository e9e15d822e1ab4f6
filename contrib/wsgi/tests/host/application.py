"""The applications that the suite's cases talk to: one for each path, in one WSGI callable.

Rules of this room: what is under `good` keeps PEP 3333 to the letter, so that wsgiref.validate around it is silent; what is under
`wrong` breaks it on purpose; what happened on this side is kept in `STATE`, and `/state` tells it.
"""

import contextvars
import io
import json
import os
import sys
import tempfile
import threading
import time
from wsgiref.util import request_uri
from wsgiref.validate import validator

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


def application(environ, start_response):
    path = environ.get("PATH_INFO", "")
    name = "/" + path.split("/")[1] if "/" in path else path
    function = GOOD.get(name) or WRONG.get(name)
    if function is None:
        start_response("404 Not Found", PLAIN[:])
        return [b"no such case"]
    return function(environ, start_response)


validated = validator(application)


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


# --- what the server says -------------------------------------------------------------------------------------------


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


# --- content of the request -----------------------------------------------------------------------------------------


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


# --- start_response -------------------------------------------------------------------------------------------------


@good
def write(environ, start_response):
    write = start_response("200 OK", PLAIN[:])
    write(b"one ")
    write(b"two ")
    return [b"three"]


@good
def write_now(environ, start_response):
    write = start_response("200 OK", PLAIN[:])
    write(b"now")
    gate(environ).wait(5)
    return [b" later"]


@good
def reason(environ, start_response):
    start_response("299 Rather Fine", PLAIN[:])
    return [b"x"]


@good
def cookies(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [b"x"]


@good
def latin(environ, start_response):
    start_response("200 OK", [*PLAIN, ("X-Latin", "caf\xe9")])
    return [b"x"]


@good
def own_date(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Server", "own")])
    return [b"x"]


@wrong
def twice(environ, start_response):
    start_response("200 OK", PLAIN[:])
    try:
        start_response("201 Created", PLAIN[:])
    except Exception:
        return [b"refused"]
    return [b"accepted"]


@good
def replaced(environ, start_response):
    start_response("200 OK", [*PLAIN, ("X-First", "1")])
    try:
        raise ValueError("late")
    except ValueError:
        start_response("503 Service Unavailable", [*PLAIN, ("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


@good
def reraised(environ, start_response):
    write = start_response("200 OK", PLAIN[:])
    write(b"begun")
    try:
        raise KeyError("mine")
    except KeyError:
        try:
            start_response("500 Internal Server Error", PLAIN[:], sys.exc_info())
        except KeyError as error:
            note("reraised " + key(environ), error.args[0])
        except BaseException as error:
            note("reraised " + key(environ), repr(error))
    return [b" ended"]


@good
def replaced_late(environ, start_response):
    def blocks():
        start_response("200 OK", PLAIN[:])
        yield b""
        try:
            raise ValueError("late")
        except ValueError:
            start_response("503 Service Unavailable", PLAIN[:], sys.exc_info())
        yield b"sorry"

    return blocks()


@wrong
def silent(environ, start_response):
    return [b"without a head"]


@good
def lazy(environ, start_response):
    start_response("202 Accepted", [*PLAIN, ("X-Lazy", "1")])
    yield b"lazy"


@wrong
def lazier(environ, start_response):
    yield b""
    start_response("202 Accepted", PLAIN[:])
    yield b"lazy"


def refused(environ, start_response, status, headers):
    try:
        start_response(status, headers)
    except Exception as error:
        note("refused " + key(environ), type(error).__name__)
        start_response("500 Refused", PLAIN[:])
    return [b"x"]


@wrong
def hop_by_hop(environ, start_response):
    return refused(environ, start_response, "200 OK", [*PLAIN, ("Transfer-Encoding", "chunked")])


@wrong
def connection_field(environ, start_response):
    return refused(environ, start_response, "200 OK", [*PLAIN, ("Connection", "X-Own")])


@wrong
def split(environ, start_response):
    return refused(environ, start_response, "200 OK", [*PLAIN, ("X-Split", "a\r\nX-Injected: yes")])


@wrong
def split_status(environ, start_response):
    return refused(environ, start_response, "200 OK\r\nX-Injected: yes", PLAIN[:])


@wrong
def status_bytes(environ, start_response):
    return refused(environ, start_response, b"200 OK", PLAIN[:])


@wrong
def status_words(environ, start_response):
    return refused(environ, start_response, "fine", PLAIN[:])


@wrong
def value_number(environ, start_response):
    return refused(environ, start_response, "200 OK", [*PLAIN, ("X-Number", 7)])


@wrong
def euro(environ, start_response):
    return refused(environ, start_response, "200 OK", [*PLAIN, ("X-Euro", "\u20ac")])


@wrong
def bad_name(environ, start_response):
    return refused(environ, start_response, "200 OK", [*PLAIN, ("X Name:", "x")])


# --- content of the response ----------------------------------------------------------------------------------------


@good
def one(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return [b"one block"]


@good
def blocks(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return [b"one ", b"two ", b"three"]


@good
def pair(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return (b"one ", b"two")


@good
def nothing(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return []


@good
def empties(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return iter([b"", b"a", b"", b"", b"b", b""])


@good
def at_once(environ, start_response):
    start_response("200 OK", PLAIN[:])
    yield b"first"
    gate(environ).wait(5)
    yield b" second"


@good
def declared(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "8")])
    return iter([b"four", b"four"])


@wrong
def too_many(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
    return iter([b"four", b"more", b"and more"])


@wrong
def too_many_listed(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
    return [b"fourandmore"]


@wrong
def too_few(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "10")])
    return iter([b"four"])


@wrong
def too_few_listed(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "10")])
    return [b"four"]


@wrong
def write_too_many(environ, start_response):
    write = start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
    write(b"four")
    try:
        write(b"more")
    except Exception as error:
        note("write " + key(environ), type(error).__name__)
    return []


@good
def closed(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return Closing(key(environ), [b"one", b"two"])


@good
def closed_exact(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "3")])
    return Closing(key(environ), [b"one"])


@wrong
def closed_failing(environ, start_response):
    def blocks():
        yield b"one"
        raise ValueError("in the middle")

    start_response("200 OK", PLAIN[:])
    return Closing(key(environ), blocks())


@wrong
def closed_failing_first(environ, start_response):
    def blocks():
        raise ValueError("at once")
        yield b""

    start_response("200 OK", PLAIN[:])
    return Closing(key(environ), blocks())


@wrong
def closed_too_many(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
    return Closing(key(environ), [b"four", b"more"])


@good
def endless(environ, start_response):
    def blocks():
        while True:
            yield b"x" * 65536

    start_response("200 OK", PLAIN[:])
    return Closing(key(environ), blocks())


@good
def trickle(environ, start_response):
    def blocks():
        for _ in range(2000):
            yield b"x"
            time.sleep(0.01)

    start_response("200 OK", PLAIN[:])
    return Closing(key(environ), blocks())


@good
def after_the_last(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "3")])
    yield b"one"
    note("after " + key(environ))


@wrong
def fails_in_the_middle(environ, start_response):
    start_response("200 OK", PLAIN[:])
    yield b"one"
    gate(environ).wait(5)
    raise ValueError("in the middle")


@wrong
def fails_before(environ, start_response):
    start_response("200 OK", PLAIN[:])
    raise ValueError("after start_response")


@wrong
def fails(environ, start_response):
    raise ValueError("at once")


@wrong
def exits(environ, start_response):
    raise SystemExit(3)


@wrong
def interrupts(environ, start_response):
    raise KeyboardInterrupt


@wrong
def returns_none(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return None


@wrong
def strings(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return iter(["text"])


@wrong
def strings_listed(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return ["text"]


@wrong
def write_string(environ, start_response):
    write = start_response("200 OK", PLAIN[:])
    try:
        write("text")
    except Exception as error:
        note("write " + key(environ), type(error).__name__)
    return [b"x"]


@good
def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


@wrong
def no_content_with_content(environ, start_response):
    start_response("204 No Content", [])
    return [b"content"]


@good
def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"1"')])
    return []


@good
def head(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "9")])
    return Closing(key(environ), [b"one block"])


@good
def big(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return [b"x" * 3_000_000]


@good
def many(environ, start_response):
    start_response("200 OK", PLAIN[:])
    return (b"y" * 10_000 for _ in range(300))


# --- wsgi.file_wrapper ----------------------------------------------------------------------------------------------


class Noting:
    """A file that notes its end."""

    def __init__(self, name, file):
        self.name, self.file = name, file
        if hasattr(file, "fileno") and not isinstance(file, io.BytesIO):
            self.fileno = file.fileno

    def read(self, size=-1):
        return self.file.read(size)

    def tell(self):
        return self.file.tell()

    def close(self):
        note("closed " + self.name)
        self.file.close()


def file(environ, start_response, size, position=0, declared=None, memory=False):
    opened = io.BytesIO() if memory else tempfile.TemporaryFile()
    opened.write(bytes(index % 251 for index in range(size)))
    opened.seek(position)
    headers = [("Content-Type", "application/octet-stream")]
    if declared is not None:
        headers.append(("Content-Length", str(declared)))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](Noting(key(environ), opened), 4096)


@good
def file_whole(environ, start_response):
    return file(environ, start_response, 200_000)


@good
def file_position(environ, start_response):
    return file(environ, start_response, 20_000, position=15_000)


@good
def file_declared(environ, start_response):
    return file(environ, start_response, 20_000, declared=5_000)


@good
def file_memory(environ, start_response):
    return file(environ, start_response, 20_000, memory=True)


@good
def file_iterated(environ, start_response):
    start_response("200 OK", PLAIN[:])
    wrapper = environ["wsgi.file_wrapper"](io.BytesIO(b"0123456789"), 4)
    return [b"".join(wrapper)]


@wrong
def file_short(environ, start_response):
    return file(environ, start_response, 1_000, declared=2_000)
