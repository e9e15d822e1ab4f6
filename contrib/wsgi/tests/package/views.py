"""Applications that go wrong, and some that only take long."""

import os
import sys
import threading
import time

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
    start_response("200 OK", PLAIN[:])
    return ["text"] if path == "/strings" else [str(os.getpid()).encode()]


not_callable = 7
