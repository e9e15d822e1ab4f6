"""Applications that call start_response, well and badly."""

import sys

from registry import gate, good, key, note, PLAIN, wrong


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
