"""The server's own options under the wheel: each does what it says also where Python is hosted.

Rules of this test: real processes and sockets; waits are for events.
"""

import http.client
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from running import RWGI, Running, until  # noqa: E402


def get(port, path, headers=(), context=None):
    kind = http.client.HTTPConnection if context is None else http.client.HTTPSConnection
    options = {} if context is None else {"context": context}
    connection = kind("127.0.0.1", port, timeout=60, **options)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def there(*names):
    return all(importlib.util.find_spec(name) for name in names)


class Options(unittest.TestCase):
    def test_the_admin_listener_tells_of_one_process(self):
        with Running("--admin", "127.0.0.1:0") as server:
            server.said("the admin listener answers")
            port = int(re.search(r"admin=127\.0\.0\.1:(\d+)", "".join(server.log)).group(1))
            # It listens, and says so, a moment before it is ready.
            until(lambda: get(port, "/readyz")[0] == 200)
            server.get("/")
            self.assertIn("# TYPE", get(port, "/metrics")[1])

    def test_the_admin_listener_tells_of_all_processes(self):
        with Running("--processes", "3", "--admin", "127.0.0.1:0") as server:
            server.said("the admin listener answers")
            port = int(re.search(r"answers at 127\.0\.0\.1:(\d+)", "".join(server.log)).group(1))
            until(lambda: get(port, "/")[1].count(": ready") == 3)
            self.assertEqual((get(port, "/healthz"), get(port, "/readyz")), ((200, "ok\n"), (200, "ready\n")))
            self.assertEqual(get(port, "/nowhere")[0], 404)
            for _ in range(10):
                self.assertEqual(server.get("/")[0], 200)
            status, metrics = get(port, "/metrics")
            self.assertEqual(status, 200)
            self.assertEqual(len(set(re.findall(r'process="(\d+)"', metrics))), 3)
            # Each family once, its samples below it.
            types = re.findall(r"^# TYPE (\S+)", metrics, re.M)
            self.assertEqual(len(types), len(set(types)))
            with self.assertRaises((OSError, http.client.HTTPException)):
                server.get("/die")
            server.said("another one is started")
            until(lambda: get(port, "/")[1].count(": ready") == 3)

    def certified(self, directory):
        """A certificate, as arguments of the server and as what a client trusts."""
        key, certificate = os.path.join(directory, "key.pem"), os.path.join(directory, "certificate.pem")
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        subprocess.run([*command, "-keyout", key, "-out", certificate, *names], check=True, capture_output=True)
        context = ssl.create_default_context(cafile=certificate)
        return ("--certificate", certificate, "--key", key), context

    @unittest.skipUnless(shutil.which("openssl"), "LEFT OUT: openssl is not installed")
    def test_tls(self):
        with tempfile.TemporaryDirectory() as directory:
            arguments, context = self.certified(directory)
            for extra in ((), ("--processes", "2")):
                with Running(*arguments, *extra) as server:
                    self.assertEqual(get(server.port, "/who", context=context), (200, "https 127.0.0.1 HTTP/1.1"))

    @unittest.skipUnless(shutil.which("openssl"), "LEFT OUT: openssl is not installed")
    def test_some_addresses_of_several_processes_have_tls_and_others_have_not(self):
        with tempfile.TemporaryDirectory() as directory:
            arguments, context = self.certified(directory)
            with Running(*arguments, "--processes", "2", "--bind", "https://127.0.0.1:0", bind="http://127.0.0.1:0") as server:
                until(lambda: len(self.endpoints(server)) == 2)
                plain, secure = self.endpoints(server)
                self.assertEqual(get(plain, "/who")[1], "http 127.0.0.1 HTTP/1.1")
                self.assertEqual(get(secure, "/who", context=context)[1], "https 127.0.0.1 HTTP/1.1")

    def endpoints(self, server):
        """The ports, in the order in which they were said; each process tells of all."""
        return list(map(int, dict.fromkeys(re.findall(r"endpoint=127\.0\.0\.1:(\d+)", "".join(server.log)))))

    def test_several_processes_serve_the_socket_that_a_supervisor_left_open(self):
        with socket.socket() as left, tempfile.TemporaryDirectory() as directory:
            left.bind(("127.0.0.1", 0))
            left.listen()
            # Whoever comes before there is a server waits for it.
            with self.connect(left.getsockname()[1]) as early, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
                early.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                door.bind(os.path.join(directory, "notify"))
                door.settimeout(60)
                # As systemd does: the socket is descriptor 3, and the process is named.
                hands = (
                    "import os, sys; os.dup2(%d, 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
                    "os.execv(sys.argv[1], sys.argv[1:])" % left.fileno()
                )
                options = {"pass_fds": [left.fileno()], "env": {**os.environ, "NOTIFY_SOCKET": door.getsockname()}}
                with Running("--processes", "2", command=[sys.executable, "-c", hands, RWGI], bind=None, **options) as server:
                    self.assertEqual(server.port, left.getsockname()[1])
                    self.read_until(early, b"200 OK")
                    self.assertEqual(door.recv(100), b"READY=1")
                    until(lambda: len(server.children()) == 2)
                    server.process.send_signal(signal.SIGHUP)
                    self.assertTrue(door.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC="))
                    self.assertEqual(door.recv(100), b"READY=1")
                    server.process.terminate()
                    self.assertEqual(server.process.wait(60), 0)
                    self.assertEqual(door.recv(100), b"STOPPING=1")
                    # No process has said anything besides.
                    door.setblocking(False)
                    self.assertRaises(BlockingIOError, door.recv, 100)

    def test_the_access_log(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "access.log")
            with Running("--access-log", path, "--access-log-format", "json") as server:
                self.assertEqual(server.get("/strings")[0], 500)
                self.assertEqual(server.get("/who?a=b")[0], 200)
            # Written by the end of the server at the latest.
            with open(path) as log:
                lines = [json.loads(line) for line in log]
            self.assertEqual([line["status"] for line in lines], [500, 200])
            self.assertIn("/who", json.dumps(lines[1]))

    def test_a_trusted_proxy_is_believed_and_nobody_else(self):
        said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        with Running("--trusted-proxies", "127.0.0.1") as server:
            self.assertEqual(get(server.port, "/who", said)[1], "https 203.0.113.7 HTTP/1.1")
        with Running("--trusted-proxies", "192.0.2.1") as server:
            self.assertEqual(get(server.port, "/who", said)[1], "http 127.0.0.1 HTTP/1.1")

    def test_content_of_unknown_length_is_streamed_where_it_is_asked_for(self):
        chunk = b"4\r\none\n\r\n"
        head = b"POST /lines HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        with Running("--stream-unknown-length") as server, self.connect(server.port) as client:
            client.sendall(head + chunk)
            # Before the content has ended.
            self.read_until(client, b"heard one")
            client.sendall(b"4\r\ntwo\n\r\n0\r\n\r\n")
            self.assertIn(b"heard two", self.read_until(client, b"0\r\n\r\n"))
        with Running() as server, self.connect(server.port) as client:
            client.sendall(head + chunk + b"0\r\n\r\n")
            self.assertIn(b"length 4\n", self.read_until(client, b"0\r\n\r\n"))

    @unittest.skipUnless(there("django", "websockets"), "LEFT OUT: Django and websockets are not installed")
    def test_a_websocket_of_django_is_for_pages_that_it_trusts_and_tells_of_a_failure(self):
        from websockets.exceptions import ConnectionClosed, InvalidStatus
        from websockets.sync.client import connect

        def asked(origin):
            try:
                with connect("ws://127.0.0.1:%d/" % server.port, origin=origin, open_timeout=60) as client:
                    client.send("hello")
                    return client.recv(60)
            except InvalidStatus as error:
                return error.response.status_code

        with Running(app="blocking:application") as server:
            own = "http://127.0.0.1:%d" % server.port
            for origin in (None, own, "https://pages.example", "https://a.trusted.example", "https://a.b.trusted.example"):
                self.assertEqual(asked(origin), "hello", origin)
            for origin in ("null", "http://pages.example", "https://a.pages.example", "https://trusted.example.org", "https://untrusted.example", "http://["):
                self.assertEqual(asked(origin), 403, origin)
            with connect("ws://127.0.0.1:%d/" % server.port, open_timeout=60) as client:
                client.send("fail")
                with self.assertRaises(ConnectionClosed):
                    client.recv(60)
                self.assertEqual(client.close_code, 1011)

    def test_one_thread_is_not_alone_where_there_are_websockets(self):
        handshake = b"GET /wait?a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        with Running("--threads", "1") as server, self.connect(server.port) as client:
            client.sendall(handshake + b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
            # Both are in the application at the same time, and it is told that this can be.
            self.assertEqual(server.get("/arrived?a")[0], 200)
            self.assertEqual(server.get("/threads"), (200, "many"))
            server.get("/release?a")
            self.read_until(client, b"HTTP/1.1 200")

    def test_inline_nothing_waits_for_itself(self):
        with Running("--inline", "--threads", "2") as server:
            pid = server.get("/")[1]
            for path in ("/raise", "/exit", "/strings"):
                self.assertEqual(server.get(path)[0], 500, path)
            for path in ("/large", "/written"):
                status, content = server.get(path)
                self.assertEqual((status, len(content)), (200, 128 * 65536), path)
            with self.connect(server.port) as client:
                client.sendall(b"POST /lines HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n")
                # Content that is not there yet holds nobody up.
                self.assertEqual(server.get("/"), (200, pid))
                client.sendall(b"x" * 199_999 + b"\n")
                self.read_until(client, b"heard xxx")

    def connect(self, port):
        return socket.create_connection(("127.0.0.1", port), timeout=60)

    def read_until(self, client, octets):
        seen = b""
        while octets not in seen:
            data = client.recv(65536)
            self.assertTrue(data, seen)
            seen += data
        return seen


if __name__ == "__main__":
    unittest.main(verbosity=2)
