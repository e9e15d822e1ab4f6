"""The command of the package: what it says when it cannot start, and that nothing is lost when processes come and go.

Rules of this test: real processes and sockets; waits are for events; every figure that is claimed is counted here.
"""

import http.client
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

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


# Held up, and failing, as long as there is a file `fails` beside it.
HELD = '''
import os, sys

if os.path.exists("fails"):
    print("held up", file=sys.stderr, flush=True)
    with open("pipe") as pipe:
        pipe.read()
    raise RuntimeError("the database is not there")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
'''


def refused(*arguments):
    done = subprocess.run([RWGI, *arguments], cwd=HERE, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.splitlines()


class WhatItSays(unittest.TestCase):
    def one_line(self, application, text, traceback):
        code, lines = refused("run", application, "--bind", "127.0.0.1:0")
        self.assertEqual(code, 1)
        self.assertTrue(lines[0].startswith("rwgi: "), lines)
        self.assertIn(text, lines[0])
        # Of a module that is not there Python has nothing to trace.
        self.assertEqual(len(lines) > 1, traceback, lines)

    def test_a_module_that_is_not_there(self):
        self.one_line("nowhere.wsgi:application", 'there is no module "nowhere"', True)

    def test_what_the_book_shows_of_it(self):
        with open(os.path.join(HERE, "no_module.txt")) as shown:
            command, first = shown.read().splitlines()
        code, lines = refused(*command.split()[2:], "--bind", "127.0.0.1:0")
        self.assertEqual(code, 1)
        self.assertEqual(lines[0].replace(os.path.realpath(HERE), "/home/you/site"), first)

    def test_a_module_that_needs_another(self):
        self.one_line("needs:application", 'it needs the module "a_module_that_nobody_has"', True)

    def test_a_module_that_raises(self):
        self.one_line("broken:application", "RuntimeError: broken on purpose", True)

    def test_an_attribute_that_is_not_there(self):
        self.one_line("views:nothing", 'the module views has no "nothing"', False)

    def test_what_cannot_be_called(self):
        self.one_line("views:not_callable", "of type int and cannot be called", False)

    def test_a_name_that_is_none(self):
        self.one_line(":application", "write it as module:attribute", False)

    def test_a_file_in_place_of_a_module(self):
        self.one_line("views.py:application", '"views.py" is a file: name the module as Python does, views', True)

    def test_a_directory_that_is_not_there(self):
        code, lines = refused("run", "views:application", "--app-dir", "nowhere")
        self.assertEqual((code, lines), (1, ["rwgi: --app-dir nowhere: there is no such directory"]))

    def test_the_help_says_what_run_does(self):
        done = subprocess.run([RWGI, "--help"], capture_output=True, text=True, timeout=60)
        self.assertRegex(done.stdout, r"run +Serves a WSGI or ASGI application")

    def test_an_option_that_is_none(self):
        code, lines = refused("run", "views:application", "--thraeds", "4")
        self.assertEqual(code, 2)
        self.assertIn("--thraeds", lines[0])

    def test_several_processes_say_it_as_well(self):
        code, lines = refused("run", "nowhere:application", "--processes", "2", "--bind", "127.0.0.1:0")
        self.assertEqual(code, 1)
        self.assertIn('there is no module "nowhere"', lines[0])

    def test_which_python_runs(self):
        with Running() as server:
            server.said("Python %d.%d" % sys.version_info[:2])

    def test_as_a_module(self):
        done = subprocess.run([sys.executable, "-m", "rwgi", "--version"], capture_output=True, text=True, timeout=60)
        self.assertRegex(done.stdout, r"^rwgi \d")

    def test_the_environment_of_the_project_is_found(self):
        # A Python without rwgi's environment around it goes on in the one that lies beside the application.
        environment = os.path.dirname(os.path.dirname(RWGI))
        if not os.path.exists(os.path.join(environment, "pyvenv.cfg")):
            self.skipTest("rwgi is not installed in a virtual environment")
        import rwgi

        code = "import sys; sys.path.append(%r); from rwgi.__main__ import main; main(['--version'])"
        with tempfile.TemporaryDirectory() as project:
            os.symlink(environment, os.path.join(project, ".venv"))
            base = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
            package = os.path.dirname(os.path.dirname(rwgi.__file__))
            done = subprocess.run(
                [base, "-c", code.replace("main(['--version'])", "import rwgi._environment as e; print(e.find('.'))") % package],
                cwd=project,
                env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.assertTrue(done.stdout.strip().endswith(".venv"), done)


class Faults(unittest.TestCase):
    def test_views_that_fail_harm_nobody_else(self):
        with Running("--threads", "2") as server:
            pid = server.get("/")[1]
            for path in ("/raise", "/exit", "/strings") * 3:
                self.assertEqual(server.get(path)[0], 500, path)
            for _ in range(20):
                self.assertEqual(server.get("/leak")[0], 200)
            self.assertEqual(server.get("/"), (200, pid))

    def test_a_view_that_waits_holds_one_thread(self):
        with Running("--threads", "2") as server:
            waiting = server.later("/wait?a")
            self.assertEqual(server.get("/arrived?a")[0], 200)
            for _ in range(20):
                self.assertEqual(server.get("/")[0], 200)
            server.get("/release?a")
            self.assertEqual(waiting()[0], 200)

    def test_beyond_the_queue_it_is_503(self):
        with tempfile.TemporaryDirectory() as directory, Running("--threads", "1", "--queue", "1") as server:
            pipe = os.path.join(directory, "pipe")
            os.mkfifo(pipe)
            running = server.later("/pipe?" + pipe)
            server.said("waiting for the pipe")
            # One of these waits in the queue, and the other is told at once.
            answers = [server.later("/") for _ in range(2)]
            server.said("the queue is full")
            self.assertEqual(server.get("/")[0], 503)
            with open(pipe, "w") as release:
                release.write("now")
            self.assertEqual(running()[0], 200)
            self.assertEqual(sorted(answer()[0] for answer in answers), [200, 503])

    def test_sigterm_lets_requests_end(self):
        with tempfile.TemporaryDirectory() as directory, Running("--threads", "2") as server:
            pipe = os.path.join(directory, "pipe")
            os.mkfifo(pipe)
            waiting = server.later("/pipe?" + pipe)
            server.get("/arrived?" + pipe)
            server.process.terminate()
            server.said("stopping")
            with self.assertRaises(OSError):
                server.get("/")
            self.assertIsNone(server.process.poll())
            with open(pipe, "w") as release:
                release.write("now")
            self.assertEqual(waiting()[0], 200)
            self.assertEqual(server.process.wait(30), 0)

    def test_a_view_that_never_returns_does_not_keep_the_process(self):
        with Running("--threads", "2", "--grace", "100ms") as server:
            waiting = server.later("/forever?a")
            server.get("/arrived?a")
            server.process.terminate()
            self.assertEqual(server.process.wait(30), 1)
            self.assertEqual(waiting()[0], 0)


    def test_a_thread_of_the_application_does_not_keep_the_process(self):
        with Running("--grace", "100ms", app="lingers:application") as server:
            self.assertEqual(server.get("/")[0], 200)
            server.process.terminate()
            self.assertEqual(server.process.wait(60), 1)
            server.said("the threads of the application (forgotten) have not ended")


class Processes(unittest.TestCase):
    def test_the_file_of_a_socket_has_its_mode_and_goes_and_no_other_file_does(self):
        with tempfile.TemporaryDirectory() as directory:
            path, mine = (os.path.join(directory, name) for name in ("socket", "mine"))
            with open(mine, "w") as file:
                file.write("mine")
            code, lines = refused("run", "views:application", "--processes", "2", "--bind", "unix:" + mine)
            self.assertEqual(code, 1)
            self.assertIn("a file that is no socket", lines[0])
            with open(mine) as file:
                self.assertEqual(file.read(), "mine")
            with Running("--processes", "2", "--bind", "unix:" + path, "--unix-mode", "600") as server:
                self.assertEqual(stat.S_IMODE(os.lstat(path).st_mode), 0o600)
                server.process.terminate()
                self.assertEqual(server.process.wait(30), 0)
            self.assertFalse(os.path.lexists(path))

    def test_a_process_that_dies_is_replaced(self):
        with Running("--processes", "2", "--threads", "2") as server:
            pids = {server.get("/")[1] for _ in range(50)}
            with self.assertRaises((OSError, http.client.HTTPException)):
                server.get("/die")
            server.said("another one is started")
            with Load(server) as load:
                load.until(lambda load: set(load.answers) - pids)
            self.assertEqual(load.lost, [])

    def test_recycling_loses_nothing(self):
        with Running("--processes", "2", "--threads", "2", "--max-requests", "100") as server:
            with Load(server) as load:
                load.until(lambda load: len(set(load.answers)) >= 5)
            self.assertEqual(load.lost, [])
            print("recycling: %d requests, %d processes, none lost" % (len(load.answers), len(set(load.answers))))

    def test_renewal_under_load_loses_nothing(self):
        with Running("--processes", "2", "--threads", "2") as server:
            with Load(server) as load:
                for _ in range(3):
                    load.until(lambda load: len(load.answers) > 50)
                    old = set(load.answers)
                    server.process.send_signal(signal.SIGHUP)
                    load.until(lambda load: set(load.answers[-20:]).isdisjoint(old))
            self.assertEqual(load.lost, [])
            print("renewal: %d requests, %d processes, none lost" % (len(load.answers), len(set(load.answers))))

    def test_a_stop_between_two_processes_ends_both(self):
        with Running("--processes", "3", command=[sys.executable, "parent.py", "stopped"], waits=False) as server:
            self.assertEqual(server.process.wait(60), 0)

    def test_a_process_that_the_system_refuses_is_tried_again(self):
        with Running("--processes", "2", command=[sys.executable, "parent.py", "short"]) as server:
            until(lambda: len(server.children()) == 2)
            with self.assertRaises((OSError, http.client.HTTPException)):
                server.get("/die")
            server.said("a process could not be started: there are too many processes")
            until(lambda: len(server.children()) == 2)

    def test_no_process_outlives_the_parent(self):
        with Running("--processes", "2") as server:
            until(lambda: len(server.children()) == 2)
            server.process.kill()
            until(lambda: self.is_refused(server), lambda: "somebody still serves")

    def is_refused(self, server):
        try:
            server.get("/")
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
        return False

    def test_the_logs_of_all_processes_are_opened_anew(self):
        with tempfile.TemporaryDirectory() as directory:
            path, old = (os.path.join(directory, name) for name in ("access.log", "old.log"))
            with Running("--processes", "2", "--access-log", path) as server:
                until(lambda: len(server.children()) == 2)
                os.rename(path, old)
                server.process.send_signal(signal.SIGUSR1)
                until(lambda: os.path.exists(path), lambda: "no new log; the parent: %s" % server.process.poll())
                until(lambda: server.get("/")[0] == 200 and os.path.getsize(path) > 0)
                self.assertIsNone(server.process.poll())

    def project(self, directory):
        """An application whose start can be held up, and fail."""
        names = [os.path.join(directory, name) for name in ("held.py", "pipe", "fails")]
        with open(names[0], "w") as file:
            file.write(HELD)
        os.mkfifo(names[1])
        return names[1:]

    def test_a_process_that_ends_while_its_successor_fails_is_replaced_all_the_same(self):
        with tempfile.TemporaryDirectory() as directory:
            pipe, fails = self.project(directory)
            # One process that has a parent, and no other one to serve in its place.
            with Running("--max-requests", "1000000", app="held:application", directory=directory) as server:
                old = server.get("/")[1]
                with open(fails, "w"):
                    pass
                server.process.send_signal(signal.SIGHUP)
                server.said("held up")
                os.kill(int(old), signal.SIGKILL)
                until(lambda: old not in server.children())
                with open(pipe, "w"):
                    # The successor goes on, and fails.
                    os.remove(fails)
                server.said("it is tried again")
                until(lambda: not self.is_refused(server) and server.get("/")[1] != old)

    def test_a_renewal_that_fails_is_tried_again(self):
        with tempfile.TemporaryDirectory() as directory:
            pipe, fails = self.project(directory)
            with Running("--max-requests", "1000000", app="held:application", directory=directory) as server:
                old = server.get("/")[1]
                with open(fails, "w"):
                    pass
                server.process.send_signal(signal.SIGHUP)
                server.said("held up")
                with open(pipe, "w"):
                    os.remove(fails)
                server.said("it is tried again")
                until(lambda: server.get("/")[1] != old)

    def test_a_process_that_is_replaced_before_it_is_ready_is_replaced_once(self):
        with tempfile.TemporaryDirectory() as directory:
            _, fails = self.project(directory)
            with open(fails, "w"):
                pass
            with Running("--max-requests", "1000000", app="held:application", directory=directory, waits=False) as server:
                server.said("held up")
                os.remove(fails)
                server.process.send_signal(signal.SIGHUP)
                server.listens()
                until(lambda: len(server.children()) == 1)
                server.get("/")
                self.assertNotIn("could not start", "".join(server.log))

    def test_reload_in_development(self):
        with tempfile.TemporaryDirectory() as project:
            path = os.path.join(project, "changing.py")
            source = "def application(environ, start_response):\n    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'%s']\n"
            with open(path, "w") as file:
                file.write(source % "before")
            with Running("--reload", app="changing:application", directory=project) as server:
                self.assertEqual(server.get("/")[1], "before")
                with Load(server, 2) as load:
                    with open(path, "w") as file:
                        file.write(source % "after")
                    stamp = time.time() + 5
                    os.utime(path, (stamp, stamp))
                    load.until(lambda load: "after" in load.answers)
                self.assertEqual(load.lost, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
