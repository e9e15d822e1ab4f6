"""Runs a suite: `python run.py [--suite asgi] [--table FILE] [SERVER...]`; without a server it is rwgi alone.

Exits with 1 where rwgi fails a case, or wsgiref.validate is not silent around an application that keeps PEP 3333. The other
servers are judged for the record.
"""

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import asgi_cases  # noqa: E402
import asgi_request_cases  # noqa: E402
import asgi_websocket_cases  # noqa: E402
import cases as wsgi_cases  # noqa: E402
from client import PATIENCE, Client  # noqa: E402
from servers import ASGI, WSGI, Server, is_there, version  # noqa: E402

# The cases of each suite, the servers that it knows, the application, and how many cases there are at least.
SUITES = {
    "wsgi": (wsgi_cases.CASES, WSGI, "application:application", 80),
    "asgi": ([*asgi_request_cases.CASES, *asgi_cases.CASES, *asgi_websocket_cases.CASES], ASGI, "asgi_application:application", 70),
}
TITLES = {
    "wsgi": ["# PEP 3333, behaviour by behaviour", "", "Made by `python tests/host/run.py --table PEP3333.md %s`; not edited by hand. Each line is one conversation on a",
             "raw socket; every server runs the same applications in one process with four threads."],
    "asgi": ["# ASGI, behaviour by behaviour", "", "Made by `python tests/host/run.py --suite asgi --table ASGI.md %s`; not edited by hand. Each line is one",
             "conversation on a raw socket; every server runs the same application in one process, with its own settings."],
}


class Judge(Client):
    def __init__(self, server):
        super().__init__(server.address)
        self.server = server

    def log_has(self, text):
        end = time.monotonic() + PATIENCE
        while text not in self.server.log():
            assert time.monotonic() < end, "the log has no %r" % text
            time.sleep(0.02)

    def pid(self):
        # A server that ended its worker has another one now.
        return self.get("/pid").body


def judge(start, cases):
    """What each case says, None or why it failed; and the log of the servers that were needed."""
    verdicts, log, server = {}, "", None
    for case in cases:
        if server is None or server.process.poll() is not None:
            log += server.log() if server is not None else ""
            server = start()
        try:
            case(Judge(server))
            verdicts[case.name] = None
            continue
        except AssertionError as error:
            verdicts[case.name] = str(error) or "it did not hold"
        except Exception as error:
            verdicts[case.name] = "%s: %.200s" % (type(error).__name__, error)
        # What one case has broken must not fail the next ones.
        log += server.log()
        server.stop(1)
        server = None
    if server is not None:
        log += server.log()
        server.stop()
    return verdicts, log


def table(suite, results, path):
    """Writes what the servers scored as a page."""
    names, cases = list(results), SUITES[suite][0]
    lines = [line.replace("%s", " ".join(names)) for line in TITLES[suite]] + [
        "",
        "| | " + " | ".join("%s %s" % (name, version(name)) for name in names) + " |",
        "|---|" + "---|" * len(names),
        "| **held, of %d** | " % len(cases)
        + " | ".join("**%d**" % sum(why is None for why in results[name].values()) for name in names)
        + " |",
    ]
    for case in cases:
        marks = ["yes" if results[name][case.name] is None else "no" for name in names]
        lines.append("| %s | %s |" % (case.sentence.replace("|", "\\|"), " | ".join(marks)))
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", choices=list(SUITES), default="wsgi")
    parser.add_argument("--table", metavar="FILE")
    parser.add_argument("--case", metavar="NAME", action="append")
    parser.add_argument("server", nargs="*", default=["rwgi"])
    options = parser.parse_args()
    cases, commands, app, least = SUITES[options.suite]
    cases = [case for case in cases if not options.case or case.name in options.case]
    assert options.case or len(cases) >= least, "a run of so few cases says nothing"
    results, failed = {}, False
    for name in options.server:
        if name not in commands or not is_there(name):
            print("LEFT OUT: %s is not installed" % name)
            continue
        verdicts, log = judge(lambda: Server(commands[name], app), cases)
        results[name] = verdicts
        if options.case:
            print(log)
        for case, why in verdicts.items():
            if why is not None:
                print("%s: %s: %s" % (name, case, why))
        print("%s %s: %d of %d" % (name, version(name), sum(why is None for why in verdicts.values()), len(cases)))
        failed |= name == "rwgi" and any(why is not None for why in verdicts.values())
    if "rwgi" in options.server and options.suite == "wsgi":
        failed |= not validated([case for case in cases if case.good])
    if options.table:
        table(options.suite, results, options.table)
    sys.exit(1 if failed else 0)


def validated(cases):
    """Whether wsgiref.validate is silent in between."""
    verdicts, log = judge(lambda: Server(WSGI["rwgi"], "application:validated"), cases)
    broken = {case: why for case, why in verdicts.items() if why is not None}
    complaints = [line for line in log.splitlines() if "AssertionError" in line or "WSGIWarning" in line or "validate" in line]
    for case, why in broken.items():
        print("with wsgiref.validate: %s: %s" % (case, why))
    for line in complaints:
        print("wsgiref.validate: %s" % line)
    print("with wsgiref.validate: %d of %d, %d complaints" % (len(cases) - len(broken), len(cases), len(complaints)))
    return not broken and not complaints


if __name__ == "__main__":
    main()
