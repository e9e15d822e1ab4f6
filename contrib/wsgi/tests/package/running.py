"""`rwgi run` as a process, for the tests: started, asked, and ended with its block.

Rules of this file: a port that the system chose; waits are for events.
"""

import http.client
import os
import re
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RWGI = os.path.join(os.path.dirname(sys.executable), "rwgi")


def until(holds, why=lambda: "it never came", patience=60):
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, why()
        time.sleep(0.02)


class Running:
    """`rwgi run`, until its block ends."""

    def __init__(self, *arguments, app="views:application", directory=HERE, together=False, command=(RWGI,), waits=True, bind="127.0.0.1:0", **options):
        command = [*command, "run", app, *(["--bind", bind] if bind else []), *arguments]
        # `together`: what the application prints stands in the log as well.
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if together else {"stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=directory, text=True, **out, **options)
        self.output = self.process.stdout or self.process.stderr
        self.log, self.listening = [], threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if waits:
            self.listens()

    def listens(self):
        self.listening.wait(60)
        assert self.listening.is_set(), "".join(self.log)

    def _read(self):
        for line in self.output:
            self.log.append(line)
            found = re.search(r"endpoint=127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                self.listening.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        self.reader.join(30)
        self.output.close()

    def get(self, path, patience=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def later(self, path):
        """Sends a request from another thread; gives what collects the answer."""
        result = []

        def ask():
            try:
                result.append(self.get(path))
            except OSError as error:
                result.append((0, repr(error)))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()

        def answer():
            thread.join(60)
            return result[0] if result else (0, "no answer")

        return answer

    def said(self, text, patience=60):
        until(lambda: text in "".join(self.log), lambda: "%r was not said:\n%s" % (text, "".join(self.log)), patience)

    def children(self):
        """The processes that it has now."""
        parents = {}
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % process) as stat:
                    # "id (name) state parent": a name may hold parentheses.
                    parents[process] = stat.read().rpartition(") ")[2].split()[1]
            except OSError:
                # It has ended meanwhile.
                continue
        return [process for process, parent in parents.items() if parent == str(self.process.pid)]


class Load:
    """Requests without end from some threads, each on a connection of its own for each request."""

    def __init__(self, server, threads=4):
        self.server, self.ended = server, threading.Event()
        self.answers, self.lost = [], []
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(threads)]

    def _ask(self):
        while not self.ended.is_set():
            try:
                status, text = self.server.get("/")
                (self.answers if status == 200 else self.lost).append(text)
            except OSError as error:
                self.lost.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def until(self, holds):
        until(lambda: holds(self), lambda: "it never came: %d answers of %s" % (len(self.answers), set(self.answers)))


def refused(*arguments):
    done = subprocess.run([RWGI, *arguments], cwd=HERE, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.splitlines()
