"""The command of the package: what it says when it cannot start, and that what an application does harms nobody else.

Rules of this test: real processes and sockets; waits are for events.
"""

import os
import subprocess
import sys
import tempfile
import unittest

from running import HERE, RWGI, Running, refused


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


if __name__ == "__main__":
    unittest.main(verbosity=2)
