"""A client on a raw socket: it sends octets, and tells what came back and whether it was whole.

Rules of this room: nothing is repaired; every wait has an end.
"""

import json
import os
import socket
import struct

# Long, since it is the machine's speed that it must not judge; for servers that fail, and whose failures are waited for, a run sets a
# shorter one.
PATIENCE = float(os.environ.get("SUITE_PATIENCE", "30"))


class Incomplete(Exception):
    """The connection ended, or nothing more came, before there was a whole head."""


class Response:
    def __init__(self, version, status, reason, headers):
        self.version, self.status, self.reason, self.headers = version, status, reason, headers
        self.body = b""
        self.whole = False
        self.framing = ""

    def values(self, name):
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def value(self, name):
        values = self.values(name)
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


class Connection:
    def __init__(self, address, patience=PATIENCE):
        self.socket = socket.create_connection(address, patience)
        self.socket.settimeout(patience)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def reset(self):
        """Ends the connection the hard way."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def more(self):
        """Reads once; False at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.rest += data
        return bool(data)

    def take(self, length):
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def until(self, octets):
        """Waits until these octets have come."""
        while octets not in self.rest:
            if not self.more():
                raise Incomplete("%r did not come, only %r" % (octets, self.rest[-200:]))

    def head(self):
        self.until(b"\r\n\r\n")
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        version, status, reason = (lines[0].split(" ", 2) + ["", ""])[:3]
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        return Response(version, int(status), reason, headers)

    def response(self, method="GET"):
        """The next response; informational ones are skipped."""
        response = self.head()
        while 100 <= response.status < 200:
            response = self.head()
        if method == "HEAD" or response.status in (204, 304):
            response.whole, response.framing = True, "none"
        elif "chunked" in (response.value("Transfer-Encoding") or "").lower():
            response.framing = "chunked"
            self.chunks(response)
        elif response.value("Content-Length") is not None:
            response.framing = "length"
            length = int(response.value("Content-Length"))
            while len(self.rest) < length and self.more():
                pass
            response.body = self.take(length)
            response.whole = len(response.body) == length
        else:
            response.framing = "close"
            try:
                while self.more():
                    pass
                response.whole = True
            except TimeoutError:
                pass
            response.body = self.take(len(self.rest))
        return response

    def chunks(self, response):
        try:
            while True:
                self.until(b"\r\n")
                size, _, self.rest = self.rest.partition(b"\r\n")
                size = int(size.split(b";")[0], 16)
                while len(self.rest) < size + 2:
                    if not self.more():
                        response.body += self.take(len(self.rest))
                        return
                response.body += self.take(size)
                self.take(2)
                if size == 0:
                    response.whole = True
                    return
        except (Incomplete, ValueError, TimeoutError):
            return


class Client:
    """Requests to one server."""

    def __init__(self, address, prefix=""):
        self.address = address

    def connect(self):
        return Connection(self.address)

    def raw(self, octets, method="GET"):
        with self.connect() as connection:
            connection.send(octets)
            return connection.response(method)

    def request(self, target, method="GET", headers=(), body=None, version="1.1"):
        return request(target, method, headers, body, version)

    def get(self, target, method="GET", headers=(), body=None, version="1.1"):
        return self.raw(request(target, method, [*headers, ("Connection", "close")], body, version), method)

    def environ(self, target="/environ", **options):
        response = self.get(target, **options)
        assert response.status == 200, "status %d" % response.status
        told = response.json()
        return {name: value for name, (_, value) in told["strings"].items()}, told

    def state(self, key, least=0):
        """What the application has noted; waits until there are `least` entries, or patience ends."""
        import time

        end = time.monotonic() + PATIENCE
        while True:
            noted = self.get("/state?" + key.replace(" ", "+")).json()
            if len(noted) >= least or time.monotonic() > end:
                return noted
            time.sleep(0.02)


def request(target, method="GET", headers=(), body=None, version="1.1"):
    """The octets of a request."""
    lines = ["%s %s HTTP/%s" % (method, target, version), "Host: suite.example:81"]
    lines += ["%s: %s" % header for header in headers]
    if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
