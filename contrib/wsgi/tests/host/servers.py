"""How each server is started with the suite's applications.

Rules of this room: the same four threads in one process everywhere, and no other setting where the server has one of its
own; a server says by answering that it is there.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# How often a server is started that does not stay: not every server tells which port it took.
TRIES = 3
MARK = {"HTTP_X_OF_THE_PROCESS": "1", "PYTHONUNBUFFERED": "1"}


def _bin(name):
    return os.path.join(os.path.dirname(sys.executable), name)


def rwgi(port, app):
    return [_bin("rwgi"), "run", app, "--bind", "127.0.0.1:%d" % port, "--threads", "4"]


def gunicorn(port, app):
    return [_bin("gunicorn"), app, "--bind", "127.0.0.1:%d" % port, "--worker-class", "gthread", "--threads", "4"]


def granian(port, app):
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "4"]
    return [_bin("granian"), app, *options]


def waitress(port, app):
    return [_bin("waitress-serve"), "--listen=127.0.0.1:%d" % port, "--threads=4", app]


def uwsgi(port, app):
    options = ["--http-socket", "127.0.0.1:%d" % port, "--enable-threads", "--threads", "4", "--master"]
    return [_bin("uwsgi"), *options, "--http-chunked-input", "--need-app", "--die-on-term", "--module", app]


def uvicorn(port, app):
    return [_bin("uvicorn"), app, "--host", "127.0.0.1", "--port", str(port), "--lifespan", "on"]


def hypercorn(port, app):
    return [_bin("hypercorn"), app, "--bind", "127.0.0.1:%d" % port]


def granian_asgi(port, app):
    return [_bin("granian"), app, "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]


WSGI = {"rwgi": rwgi, "gunicorn": gunicorn, "granian": granian, "waitress": waitress, "uWSGI": uwsgi}
ASGI = {"rwgi": rwgi, "uvicorn": uvicorn, "granian": granian_asgi, "hypercorn": hypercorn}


def version(name):
    from importlib.metadata import version

    return version(name.lower())


def is_there(name):
    try:
        version(name)
    except ImportError:
        return False
    return True


class Server:
    """A server that runs; its log, its address, its end."""

    def __init__(self, command, app, directory=HERE, extra=(), environment=None):
        self.name = command.__name__
        for left in reversed(range(TRIES)):
            try:
                self._start(command, app, directory, extra, environment)
                return
            except RuntimeError:
                # Somebody else may have taken the port between here and there.
                if left == 0:
                    raise

    def _start(self, command, app, directory, extra, environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = ("127.0.0.1", port)
        self.log_file = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*command(port, app), *extra],
            cwd=directory,
            env={**os.environ, **MARK, "PYTHONPATH": directory, **(environment or {})},
            stdout=self.log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait()

    def _wait(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(self.address, 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError("%s did not start:\n%s" % (self.name, self.log()))

    def log(self):
        position = os.lseek(self.log_file.fileno(), 0, os.SEEK_END)
        return os.pread(self.log_file.fileno(), position, 0).decode(errors="replace")

    def stop(self, patience=15):
        """Ends the server by SIGTERM; gives its exit code, None where it had to be killed."""
        self.process.terminate()
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                # Its workers as well, whatever became of it.
                os.killpg(self.process.pid, 9)
            except ProcessLookupError:
                pass
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
