"""The admin listener of several processes: what each of them tells, on one address.

Rules of this room: each process answers on a Unix socket of its own, in a directory that nobody else reads; a process that comes or goes
meanwhile is left out; samples keep apart by a label with the process, so that a new one is no counter that fell.
"""

import http.client
import http.server
import os
import re
import shutil
import socket
import tempfile
import threading

# Seconds that a process has to answer: one that hangs must not hide the others.
_PATIENCE = 2.0

_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?( .*)$")


class Admin:
    """Answers for the processes that `running` lists, as pairs of an identifier and a socket's path."""

    def __init__(self, bound, running):
        self.directory = tempfile.mkdtemp(prefix="rwgi-")
        self.running, self.count = running, 0
        handler = type("Handler", (_Handler,), {"admin": self})
        self.server = http.server.ThreadingHTTPServer(("", 0), handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = bound
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, name="rwgi-admin", daemon=True).start()

    def path(self):
        """Where the next process answers."""
        self.count += 1
        return os.path.join(self.directory, "%d.sock" % self.count)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, target):
        """What each process answers: (identifier, status, text)."""
        answers = []
        for name, path in self.running():
            try:
                connection = _Connection(path)
                try:
                    connection.request("GET", target)
                    answer = connection.getresponse()
                    answers.append((name, answer.status, answer.read().decode()))
                finally:
                    connection.close()
            except (OSError, http.client.HTTPException):
                continue
        return answers


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=_PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self.path)


class _Handler(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "rwgi", ""
    admin = None

    def do_GET(self):
        target = self.path.partition("?")[0]
        if target == "/healthz":
            self._answer(200, "ok\n")
        elif target == "/readyz":
            ready = any(status == 200 for _, status, _ in self.admin.ask("/readyz"))
            self._answer(200 if ready else 503, "ready\n" if ready else "not ready\n")
        elif target == "/metrics":
            self._answer(200, together(self.admin.ask("/metrics")), _METRICS)
        elif target == "/":
            lines = ["process %s: %s\n" % (name, "ready" if status == 200 else "not ready") for name, status, _ in self.admin.ask("/readyz")]
            self._answer(200, "".join(lines) or "no process answers\n")
        else:
            self._answer(404, "404 Not Found\n")

    do_HEAD = do_GET

    def _answer(self, status, text, kind=_TEXT):
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def address_string(self):
        # Over a Unix socket there is no address.
        return self.client_address[0] if self.client_address else "unix"

    def log_message(self, *_):
        pass


def together(answers):
    """Metrics of several processes as one exposition: the samples of a name stand together, with a label of the process."""
    about, samples = {}, {}
    for name, status, text in answers:
        if status != 200:
            continue
        family = ""
        for line in text.splitlines():
            if line.startswith("#"):
                words = line.split(" ", 3)
                family = words[2] if len(words) > 2 else family
                about.setdefault(family, {})[words[1]] = line
                samples.setdefault(family, [])
                continue
            found = _SAMPLE.match(line)
            if found:
                label = 'process="%s"' % name
                labels = "%s,%s" % (found.group(2), label) if found.group(2) else label
                samples.setdefault(family, []).append("%s{%s}%s" % (found.group(1), labels, found.group(3)))
    lines = []
    for family, known in samples.items():
        lines += [*about.get(family, {}).values(), *known]
    return "".join(line + "\n" for line in lines)
