"""Applications that nobody here wrote, beside their own server: the answers are the same.

Rules of this test: each request goes to rwgi and to the server that comes with the framework (Werkzeug's), and what differs
between any two servers (Date, Server, Connection, ports) is left out of the comparison; who is not installed is left out aloud.
"""

import gzip
import http.cookiejar
import importlib.util
import json
import os
import re
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from running import Running  # noqa: E402


class Own:
    """The framework's own server, in this process."""

    def __init__(self, application):
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, *_):
                pass

        self.server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Visitor:
    """Somebody with cookies."""

    def __init__(self, port):
        self.port = port
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar, Redirects)

    def ask(self, method, path, data=None, headers=()):
        url = "http://127.0.0.1:%d%s" % (self.port, path)
        request = urllib.request.Request(url, data=data, headers=dict(headers), method=method)
        try:
            answer = self.opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            body = answer.read()
            coding = answer.headers.get("Content-Encoding")
            if coding and body:
                # Compressed text differs with the length of a port's digits.
                body = gzip.decompress(body) if coding == "gzip" else zlib.decompress(body)
            kept = {
                name.lower(): self._plain(value)
                for name, value in answer.headers.items()
                if name.lower() not in ("date", "server", "connection", "set-cookie", "transfer-encoding", "content-length")
            }
            return answer.status, kept, self._plain(body.decode("utf-8", "replace"))

    def _plain(self, text):
        return text.replace(":%d" % self.port, ":PORT")


class Redirects(urllib.request.HTTPRedirectHandler):
    """A redirection is an answer, and compared as one."""

    def redirect_request(self, *_):
        return None


def form(**fields):
    return urllib.parse.urlencode(fields).encode()


class Real(unittest.TestCase):
    def same(self, ours, theirs, method, path, data=None, headers=()):
        one = ours.ask(method, path, data, headers)
        two = theirs.ask(method, path, data, headers)
        self.assertEqual(one, two, "%s %s" % (method, path))
        return one

    @unittest.skipUnless(importlib.util.find_spec("httpbin"), "LEFT OUT: httpbin is not installed")
    def test_httpbin(self):
        from httpbin import app

        paths = """/get?a=1&a=2&b=%C3%A9 /headers /user-agent /status/418 /status/204 /redirect/2 /relative-redirect/1 /cookies/set?k=v
            /cookies /basic-auth/user/passwd /hidden-basic-auth/user/passwd /html /xml /robots.txt /deny /encoding/utf8 /gzip /deflate
            /json /base64/SFRUUEJJTg== /bytes/1024?seed=7 /stream/5 /stream-bytes/2048?seed=7&chunk_size=100 /range/1024
            /links/10/3 /image/png /image/svg /response-headers?X-A=1&X-A=2 /etag/abc /cache/60 /anything/x/y?z=1 /delay/0
            /drip?numbytes=5&duration=0 /absolute-redirect/1 /uuid""".split()
        with Running("--threads", "4", app="httpbin:app") as server, Own(app) as own:
            ours, theirs = Visitor(server.port), Visitor(own.port)
            for path in paths:
                if path == "/uuid":
                    self.assertEqual(ours.ask("GET", path)[0], 200)
                    continue
                self.same(ours, theirs, "GET", path)
                if not path.startswith(("/stream", "/drip")):
                    self.assertEqual(ours.ask("HEAD", path)[0], theirs.ask("HEAD", path)[0], path)
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                self.same(ours, theirs, method, "/anything", form(a="1", b="é"), [("Content-Type", "application/x-www-form-urlencoded")])
                self.same(ours, theirs, method, "/" + method.lower(), b'{"a": [1]}', [("Content-Type", "application/json")])
            self.same(ours, theirs, "GET", "/range/100", None, [("Range", "bytes=10-19")])
            self.same(ours, theirs, "GET", "/etag/abc", None, [("If-None-Match", "abc")])
            print("httpbin: %d requests answered as by Werkzeug" % (len(paths) + 10))

    @unittest.skipUnless(importlib.util.find_spec("flask"), "LEFT OUT: Flask is not installed")
    def test_an_application_as_in_flasks_tutorial(self):
        with tempfile.TemporaryDirectory() as directory:
            os.environ["FLASKR_DATABASE"] = os.path.join(directory, "own")
            from flaskr import create_app

            own_application = create_app()
            # Each connects when it is asked, so the variable has to last.
            with Own(own_application) as own:
                theirs = Visitor(own.port)
                os.environ["FLASKR_DATABASE"] = os.path.join(directory, "own")
                script = self.script(theirs)
                os.environ["FLASKR_DATABASE"] = os.path.join(directory, "ours")
                with Running("--threads", "4", app="flaskr:create_app()") as server:
                    self.assertEqual(self.script(Visitor(server.port)), script)

    def script(self, visitor):
        told = [
            visitor.ask("GET", "/"),
            visitor.ask("POST", "/create", form(title="x", body="y")),
            visitor.ask("POST", "/register", form(name="ann", password="secret")),
            visitor.ask("POST", "/register", form(name="ann", password="secret")),
            visitor.ask("GET", "/"),
            visitor.ask("POST", "/login", form(name="ann", password="wrong")),
            visitor.ask("POST", "/login", form(name="ann", password="secret")),
            visitor.ask("POST", "/create", form(title="First", body="Hello")),
            visitor.ask("POST", "/create", form(title="", body="<b>é</b>")),
            visitor.ask("GET", "/"),
            visitor.ask("GET", "/stream"),
            visitor.ask("GET", "/nowhere"),
            visitor.ask("POST", "/json", json.dumps({"a": 1}).encode(), [("Content-Type", "application/json")]),
            visitor.ask("POST", "/json", b"{", [("Content-Type", "application/json")]),
            visitor.ask("POST", "/login", b"name=ann"),
        ]
        self.assertEqual([status for status, _, _ in told][:10], [200, 401, 303, 302, 200, 403, 302, 302, 302, 200])
        self.assertTrue(re.search("<h1>First</h1>Hello", told[9][2]), told[9])
        return told


if __name__ == "__main__":
    unittest.main(verbosity=2)
