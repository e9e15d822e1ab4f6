"""Applications that go wrong, and some that only take long."""

import os
import sys
import threading
import time

BLOCK = b"x" * 65536
PLAIN = [("Content-Type", "text/plain")]
GATES = {}
LOCK = threading.Lock()


def application(environ, start_response):
    path, key = environ["PATH_INFO"], environ["QUERY_STRING"]
    with LOCK:
        gate = GATES.setdefault(key, [threading.Event(), threading.Event()])
    if path == "/raise":
        raise ValueError("on purpose")
    if path == "/exit":
        sys.exit(1)
    if path == "/die":
        os._exit(9)
    if path == "/wait":
        gate[0].set()
        gate[1].wait(30)
    if path == "/arrived":
        gate[0].wait(30)
    if path == "/release":
        gate[1].set()
    if path == "/pipe":
        # Released by the file system: after SIGTERM the network is closed.
        gate[0].set()
        environ["wsgi.errors"].write("waiting for the pipe\n")
        with open(key) as pipe:
            pipe.read()
    if path == "/forever":
        gate[0].set()
        while True:
            time.sleep(60)
    if path == "/leak":
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    if path == "/threads":
        start_response("200 OK", PLAIN[:])
        return [b"many" if environ["wsgi.multithread"] else b"one"]
    if path == "/who":
        start_response("200 OK", PLAIN[:])
        return [("%(wsgi.url_scheme)s %(REMOTE_ADDR)s %(SERVER_PROTOCOL)s" % environ).encode()]
    if path == "/lines":
        # Answers each line as it comes, and says first what is known of the length.
        start_response("200 OK", PLAIN[:])
        return lines(environ)
    if path == "/large":
        start_response("200 OK", PLAIN[:])
        return (BLOCK for _ in range(128))
    if path == "/written":
        write = start_response("200 OK", PLAIN[:])
        for _ in range(128):
            write(BLOCK)
        return []
    start_response("200 OK", PLAIN[:])
    return ["text"] if path == "/strings" else [str(os.getpid()).encode()]


def lines(environ):
    yield b"length %s\n" % environ.get("CONTENT_LENGTH", "unknown").encode()
    for line in environ["wsgi.input"]:
        yield b"heard " + line


not_callable = 7
