"""ASGI under the command: how it starts and ends, and a Starlette application beside uvicorn.

Rules of this test: real processes and sockets; waits are for events; who is not installed is left out aloud.
"""

import http.client
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from running import Running, refused  # noqa: E402
from test_real import Visitor  # noqa: E402


def there(*names):
    return all(importlib.util.find_spec(name) for name in names)


class Life(unittest.TestCase):
    def test_a_startup_that_fails_ends_the_server(self):
        code, lines = refused("run", "lifespans:fails", "--bind", "127.0.0.1:0")
        told = [line for line in lines if line.startswith("rwgi: ")]
        self.assertEqual(code, 1)
        self.assertIn("the application's startup failed: there is no database", told[0])

    def test_a_stop_is_heard_while_the_application_starts(self):
        for extra in ((), ("--processes", "2")):
            with Running(*extra, app="lifespans:never_starts", together=True, waits=False) as server:
                server.said("it waits for its database")
                server.process.terminate()
                self.assertEqual(server.process.wait(60), 0)

    def test_an_application_without_a_lifespan_is_served(self):
        for name in ("lifespans:knows_none", "lifespans:instance", "lifespans:partial"):
            with Running(app=name) as server:
                server.said("knows no lifespan")
                self.assertEqual(server.get("/"), (200, "served without a lifespan"))

    def test_sigterm_lets_tasks_end_and_then_the_lifespan(self):
        with tempfile.TemporaryDirectory() as directory:
            pipe = os.path.join(directory, "pipe")
            os.mkfifo(pipe)
            # Open for both, so that neither side waits to open it.
            release = os.open(pipe, os.O_RDWR)
            with Running(app="lifespans:slow_end", together=True) as server:
                self.assertEqual(server.get("/?" + pipe)[0], 200)
                server.said("a task waits")
                server.process.terminate()
                server.said("stopping")
                self.assertIsNone(server.process.poll())
                os.close(release)
                self.assertEqual(server.process.wait(60), 0)
                server.said("shutdown after ['a task that ended']")

    def test_a_stop_is_no_departure_of_the_client(self):
        with tempfile.TemporaryDirectory() as directory:
            pipe = os.path.join(directory, "pipe")
            os.mkfifo(pipe)
            release = os.open(pipe, os.O_RDWR)
            with Running(app="lifespans:watches", together=True) as server:
                waiting = server.later("/?" + pipe)
                server.said("it watches")
                server.process.terminate()
                server.said("stopping")
                os.close(release)
                self.assertEqual(waiting(), (200, "there"))
                self.assertEqual(server.process.wait(60), 0)

    def test_a_shutdown_that_fails_is_told(self):
        with Running(app="lifespans:fails_at_the_end") as server:
            self.assertEqual(server.get("/"), (200, "served"))
            server.process.terminate()
            self.assertEqual(server.process.wait(60), 0)
            server.said("the application's shutdown failed: the database did not say goodbye")

    def test_what_never_returns_does_not_keep_the_process(self):
        with Running("--grace", "100ms", app="lifespans:never_ends", together=True) as server:
            waiting = server.later("/")
            server.said("it begins")
            server.process.terminate()
            self.assertEqual(server.process.wait(60), 1)
            self.assertEqual(waiting()[0], 0)

    def test_content_beyond_the_limit_is_answered_with_413(self):
        with Running("--body-bytes", "1KiB", app="lifespans:reads", together=True) as server:

            def post(content):
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                # Of unknown length (an iterator is sent chunked) it is too large only once it has come.
                connection.request("POST", "/", content)
                answer = connection.getresponse()
                told = answer.status, answer.read()
                connection.close()
                return told

            self.assertEqual(post(b"x" * 1024), (200, b"1024"))
            self.assertEqual(post(iter([b"x" * 1024])), (200, b"1024"))
            self.assertEqual(post(b"x" * 1025)[0], 413)
            self.assertEqual(post(iter([b"x" * 1024, b"x"]))[0], 413)
            server.said("the content was too large")

    def test_the_interface_can_be_said(self):
        with Running("--interface", "asgi", app="lifespans:knows_none") as server:
            self.assertEqual(server.get("/")[0], 200)
        with Running("--interface", "wsgi", app="lifespans:knows_none") as server:
            self.assertEqual(server.get("/")[0], 500)

    def test_applications_of_both_kinds_share_a_server(self):
        mounts = ("--mount", "/async=lifespans:paths", "--mount", "/async/deep=lifespans:knows_none")
        with Running(*mounts) as server:
            self.assertTrue(server.get("/")[1].isdigit())
            self.assertEqual(server.get("/async/a")[1], "/async/a in /async")
            self.assertEqual(server.get("/async/deep/a")[1], "served without a lifespan")

    def test_a_mount_that_cannot_be_is_told_in_one_line(self):
        code, lines = refused("run", "views:application", "--mount", "nonsense")
        self.assertEqual(code, 2)
        self.assertIn("write it as /prefix=module:attribute", lines[0])
        code, lines = refused("run", "views:application", "--mount", "/a=nowhere:application", "--bind", "127.0.0.1:0")
        self.assertEqual(code, 1)
        self.assertTrue(any(line.startswith('rwgi: there is no module "nowhere"') for line in lines), lines)

    def test_several_processes_serve_asgi(self):
        with Running("--processes", "2", app="lifespans:knows_none") as server:
            for _ in range(20):
                self.assertEqual(server.get("/")[0], 200)


class Uvicorn:
    """Starlette's usual server."""

    def __enter__(self):
        command = [sys.executable, "-m", "uvicorn", "star:app", "--port", "0", "--lifespan", "on", "--no-access-log"]
        self.process = subprocess.Popen(command, cwd=HERE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            found = re.search(r"running on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        # Read on, so that it never waits for a reader.
        self.reader = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.reader.join(60)
        self.process.stderr.close()


@unittest.skipUnless(there("starlette", "uvicorn", "websockets", "python_multipart"), "LEFT OUT: Starlette and uvicorn are not installed")
class Starlette(unittest.TestCase):
    def test_it_behaves_as_under_uvicorn(self):
        with Running(app="star:app", together=True) as server, Uvicorn() as uvicorn:
            ours, theirs = Visitor(server.port), Visitor(uvicorn.port)
            asked = 0
            for method, path, data, headers in requests():
                one, two = ours.ask(method, path, data, headers), theirs.ask(method, path, data, headers)
                self.assertEqual(one, two, "%s %s" % (method, path))
                asked += 1
            for script in (shouts, closed_by_client, denial):
                self.assertEqual(script(server.port), script(uvicorn.port), script.__name__)
                asked += 1
            print("Starlette: %d conversations as under uvicorn" % asked)
            server.process.terminate()
            self.assertEqual(server.process.wait(60), 0)
            server.said("the lifespan has ended")


def requests():
    form = (
        b'--edge\r\nContent-Disposition: form-data; name="name"\r\n\r\nann\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + b"x" * 200_000 + b"\r\n--edge--\r\n"
    )
    text = [("Content-Type", "text/plain")]
    yield "GET", "/?a=1&b=%C3%A9", None, ()
    yield "HEAD", "/", None, ()
    yield "POST", "/echo", b"hello", text
    yield "PUT", "/put", b"", text
    yield "POST", "/count", b"x" * 1_000_000, text
    yield "POST", "/count", [b"x" * 1000] * 50, text
    yield "POST", "/form", form, [("Content-Type", "multipart/form-data; boundary=edge")]
    yield "POST", "/form", urllib.parse.urlencode({"name": "ann"}).encode(), [("Content-Type", "application/x-www-form-urlencoded")]
    yield "GET", "/stream", None, ()
    yield "GET", "/stream", None, [("Accept-Encoding", "gzip")]
    yield "GET", "/file", None, ()
    yield "GET", "/file", None, [("Range", "bytes=10-19")]
    yield "HEAD", "/file", None, ()
    yield "GET", "/late", None, ()
    yield "GET", "/wait", None, ()
    yield "GET", "/items/42", None, ()
    yield "GET", "/items/many", None, ()
    yield "GET", "/cookie", None, ()
    yield "GET", "/cookie", None, ()
    yield "GET", "/away", None, ()
    yield "GET", "/fails", None, ()
    yield "DELETE", "/echo", None, ()
    yield "GET", "/nowhere", None, ()
    yield "GET", "/", None, [("Origin", "https://a.example")]
    yield "OPTIONS", "/", None, [("Origin", "https://a.example"), ("Access-Control-Request-Method", "PUT")]


def shouts(port):
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with connect("ws://127.0.0.1:%d/shout?a=b" % port, subprotocols=["one", "two"], open_timeout=60) as socket:
        told = [socket.subprotocol, socket.response.headers["x-a"]]
        for text in ("hello", "caf\u00e9", "x" * 100_000):
            socket.send(text)
            told.append(json.loads(socket.recv(60)))
        socket.send("bye")
        try:
            socket.recv(60)
        except ConnectionClosed:
            pass
        return told, socket.close_code, socket.close_reason


def closed_by_client(port):
    from websockets.sync.client import connect

    with connect("ws://127.0.0.1:%d/shout" % port, open_timeout=60) as socket:
        socket.send("x")
        told = socket.recv(60)
        socket.close(4001, "enough")
        return told, socket.close_code


def denial(port):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    told = []
    for path in ("denied", "answered"):
        try:
            connect("ws://127.0.0.1:%d/%s" % (port, path), open_timeout=60)
        except InvalidStatus as error:
            told.append((error.response.status_code, error.response.body if path == "answered" else b""))
    return told


if __name__ == "__main__":
    unittest.main(verbosity=2)
