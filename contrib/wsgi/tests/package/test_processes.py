"""Several processes behind the same sockets: nothing is lost when they come and go, and what cannot start is tried again.

Rules of this test: real processes and sockets; waits are for events; every figure that is claimed is counted here.
"""

import contextlib
import http.client
import os
import signal
import stat
import sys
import tempfile
import time
import unittest

from running import Load, Running, refused, until

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


class Start:
    """The start of an application, which can be held up, and fails then."""

    def __init__(self, directory):
        application, self.pipe, self.fails = (os.path.join(directory, name) for name in ("held.py", "pipe", "fails"))
        with open(application, "w") as file:
            file.write(HELD)
        os.mkfifo(self.pipe)

    def hold(self):
        with open(self.fails, "w"):
            pass

    def release(self):
        """The next start is not held up; the one that is stays so."""
        os.remove(self.fails)

    def fail(self):
        """The start that is held up goes on, and fails; the next one does not."""
        with open(self.pipe, "w"):
            self.release()


@contextlib.contextmanager
def held(first=False):
    """One process that has a parent, and no other one to serve in its place; `first`: its first start is held up already."""
    with tempfile.TemporaryDirectory() as directory:
        start = Start(directory)
        if first:
            start.hold()
        with Running("--max-requests", "1000000", app="held:application", directory=directory, waits=not first) as server:
            yield server, start


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

    def dying(self, happening, times):
        """What is said when the only process dies, so many times, each time as soon as it serves."""
        text = "another one is started"
        with Running("--max-requests", "1000000", command=[sys.executable, "parent.py", happening]) as server:
            for number in range(1, times + 1):
                with self.assertRaises((OSError, http.client.HTTPException)):
                    # In the kernel's queue until there is a process again.
                    server.get("/die", patience=60)
                until(lambda number=number: "".join(server.log).count(text) == number)
            return [line.partition("; ")[2].strip() for line in server.log if text in line]

    def test_a_process_that_dies_soon_and_again_is_started_less_often(self):
        soon = "another one is started"
        self.assertEqual(self.dying("hasty", 3), [soon, soon + " in 1 s", soon + " in 2 s"])

    def test_a_process_that_has_served_for_a_while_is_replaced_at_once(self):
        self.assertEqual(self.dying("settled", 3), ["another one is started"] * 3)

    def test_a_renewal_ends_the_pause(self):
        with Running("--max-requests", "1000000", command=[sys.executable, "parent.py", "stuck"]) as server:
            for _ in range(2):
                with self.assertRaises((OSError, http.client.HTTPException)):
                    server.get("/die", patience=60)
            server.said("another one is started in 3600 s")
            server.process.send_signal(signal.SIGHUP)
            self.assertEqual(server.get("/", patience=60)[0], 200)

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

    def test_a_process_that_ends_while_its_successor_fails_is_replaced_all_the_same(self):
        with held() as (server, start):
            old = server.get("/")[1]
            start.hold()
            server.process.send_signal(signal.SIGHUP)
            server.said("held up")
            os.kill(int(old), signal.SIGKILL)
            until(lambda: old not in server.children())
            start.fail()
            server.said("it is tried again")
            until(lambda: not self.is_refused(server) and server.get("/")[1] != old)

    def test_a_renewal_that_fails_is_tried_again(self):
        with held() as (server, start):
            old = server.get("/")[1]
            start.hold()
            server.process.send_signal(signal.SIGHUP)
            server.said("held up")
            start.fail()
            server.said("it is tried again")
            until(lambda: server.get("/")[1] != old)

    def test_a_process_that_is_replaced_before_it_is_ready_is_replaced_once(self):
        with held(first=True) as (server, start):
            server.said("held up")
            start.release()
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
