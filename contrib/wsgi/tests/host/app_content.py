"""Applications that give content, and files."""

import gzip
import io
import tempfile
import time

from registry import Closing, gate, good, key, note, PLAIN, wrong


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


def octets(length):
    return bytes(index % 251 for index in range(length))


@good
def idle(environ, start_response):
    """Has nothing to say for long, and says so again and again."""
    start_response("200 OK", PLAIN[:])
    return Closing(key(environ), idling(gate(environ)))


def idling(opened):
    yield b"x"
    while not opened.wait(0.01):
        yield b""


@good
def idle_declared(environ, start_response):
    """As `idle`, before the first byte of content that is declared."""
    start_response("200 OK", [*PLAIN, ("Content-Length", "1")])
    note("begun " + key(environ))
    blocks = idling(gate(environ))
    return Closing(key(environ), (b"" for _ in blocks))


@good
def written_without_end(environ, start_response):
    write = start_response("200 OK", PLAIN[:])
    opened = gate(environ)
    note(key(environ), "begun")
    try:
        while not opened.wait(0.01):
            write(b"x")
    except OSError:
        note(key(environ), "OSError")
    return []


class Standing:
    """Stands for a file, as Django's File does."""

    def __init__(self, file):
        self.file = file

    fileno = property(lambda self: self.file.fileno)
    tell = property(lambda self: self.file.tell)
    read = property(lambda self: self.file.read)
    close = property(lambda self: self.file.close)


@good
def file_decoded(environ, start_response):
    """A file that is decoded as it is read; its `fileno` is that of the coded one."""
    coded = tempfile.NamedTemporaryFile()
    with gzip.open(coded, "wb") as writer:
        writer.write(octets(20_000))
    coded.seek(0)
    decoded = gzip.open(coded)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "20000")])
    return environ["wsgi.file_wrapper"](Standing(decoded) if key(environ) == "stands" else decoded, 4096)


@good
def file_stands(environ, start_response):
    opened = tempfile.NamedTemporaryFile()
    opened.write(octets(20_000))
    opened.seek(10)
    start_response("200 OK", PLAIN[:])
    return environ["wsgi.file_wrapper"](Standing(opened) if key(environ) == "stands" else opened, 4096)


@wrong
def file_short(environ, start_response):
    return file(environ, start_response, 1_000, declared=2_000)
