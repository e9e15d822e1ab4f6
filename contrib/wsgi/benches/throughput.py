"""Weighs servers of WSGI applications against each other: `python throughput.py [--write FILE]`; needs wrk.

Rules of this tool: one machine, one run; the servers of a row take turns (A B C, A B C), and what is told is the median of the rounds;
the servers have one processor and the load another, where there are two; the same number of threads where a server has threads; the
figure is requests per second of processor time of the server, since the load's own work is none of the server's; who is not
installed is left out aloud.
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.dirname(sys.executable)
# Another build of rwgi, beside the same others.
RWGI = os.environ.get("RWGI_BIN", BIN)

SERVERS = {
    "rwgi": lambda port, app, threads: [f"{RWGI}/rwgi", "run", app, "--bind", f"127.0.0.1:{port}", "--threads", str(threads), "--log", "error"],
    "rwgi --inline": lambda port, app, threads: [*SERVERS["rwgi"](port, app, threads), "--inline"],
    "granian": lambda port, app, threads: [f"{BIN}/granian", app, "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", str(threads), "--log-level", "error"],
    "gunicorn": lambda port, app, threads: [f"{BIN}/gunicorn", app, "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", str(threads), "--log-level", "error", "--keep-alive", "60"],
    "uWSGI": lambda port, app, threads: [f"{BIN}/uwsgi", "--http11-socket", f"127.0.0.1:{port}", "--enable-threads", "--threads", str(threads), "--master", "--disable-logging", "--die-on-term", "--listen", "100", "--module", app],
    "waitress": lambda port, app, threads: [f"{BIN}/waitress-serve", f"--listen=127.0.0.1:{port}", f"--threads={threads}", app],
    "bjoern": lambda port, app, threads: [sys.executable, "-c", f"import bjoern, applications; bjoern.run(applications.{app.split(':')[1]}, '127.0.0.1', {port})"],
    "fastwsgi": lambda port, app, threads: [sys.executable, "-c", f"import fastwsgi, applications; fastwsgi.run(applications.{app.split(':')[1]}, host='127.0.0.1', port={port}, loglevel=0)"],
}
# Application, path, connections, threads (None: as told).
ROWS = {
    "hello, world": ("applications:application", "/", 64, None),
    "hello, world, one thread": ("applications:application", "/", 64, 1),
    "a Django page": ("applications:django", "/", 32, None),
    "upload of 1 MiB": ("applications:application", "/upload", 16, None),
    "download of 10 MiB": ("applications:application", "/download", 8, None),
}
# Who is ahead of us, where it is, and why; a note stands below the table only where the run shows it.
NOTES = {
    ("hello, world", "bjoern"): "bjoern is a parser and a write in C. Of a request's instructions with `--inline`, half are the server's (limits, times, checks, hyper) and not Python's.",
    ("a Django page", "bjoern"): "bjoern has one thread. Here what Python returns is iterated by another one, and the change costs caches.",
    ("a Django page", "uWSGI"): "the thread that runs Django reads and writes the socket by itself. Here the server's thread does, and interrupts Python twice for each request on the processor that they share.",
    ("a Django page", None): "a page is bound by Python: milliseconds, of which a server is some hundredths, and less than two runs differ by.",
    ("upload of 1 MiB", "uWSGI"): "its thread reads the socket into one and the same buffer as Python asks. Here another thread reads, for all clients, and what it has read has left the processor's caches when Python gets it.",
    ("hello, world", "granian"): "the two differ by less than two runs do.",
    ("download of 10 MiB", "granian"): "it writes 400 KiB at a time, and rwgi's server 64 KiB, which is what a connection may hold of a response; each write wakes the client. With 400 KiB here too the two were equal (0.76 became 0.98 in the same run).",
    ("download of 10 MiB", None): "its thread writes the blocks by itself. Here they cross to the server's thread, which writes 64 KiB at a time (the most that a connection may hold).",
}
LUA = "wrk.method='POST'; wrk.body=string.rep('x',1048576)"


def processor_time(leader):
    """Seconds of processor time of all processes in a session, those that have ended and were waited for included."""
    total = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as file:
                fields = file.read().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


class Started:
    """A server that runs, on a port of its own."""

    def __init__(self, name, row, threads, data):
        app, self.path, self.connections, own = ROWS[row]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {**os.environ, "PYTHONPATH": HERE, "SITE_DATA": data if "django" in app else ""}
        self.process = subprocess.Popen(
            [*pinned(0), *SERVERS[name](self.port, app, own or threads)],
            cwd=HERE,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.05)

    def measure(self, seconds):
        """Requests per second of processor time, and of the clock, p99 in milliseconds, failures."""
        before = processor_time(self.process.pid)
        rate, p99, failed = load(self.port, self.path, self.connections, seconds)
        used = processor_time(self.process.pid) - before
        return rate * seconds / used if used else 0.0, rate, p99, failed

    def end(self):
        os.killpg(self.process.pid, 9)
        self.process.wait()


def pinned(processor):
    """The server has one processor and the load another, so that neither takes the other's time."""
    return ["taskset", "-c", str(processor)] if os.cpu_count() > 1 and shutil.which("taskset") else []


def load(port, path, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        extra = ["-s", script.name] if path == "/upload" else []
        command = [*pinned(1), "wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency", *extra]
        text = subprocess.run([*command, "http://127.0.0.1:%d%s" % (port, path)], capture_output=True, text=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    found = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", text)
    p99 = float(found.group(1)) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[found.group(2)] if found else float("nan")
    failed = sum(map(int, re.findall(r"(?:Non-2xx or 3xx responses: |connect |read |write |timeout )(\d+)", text)))
    return rate, p99, failed


def number(name):
    return version(name.partition(" ")[0])


def prepare(data):
    environment = {**os.environ, "SITE_DATA": data, "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    site = os.path.join(HERE, "..", "examples", "django-site")
    script = (
        "import django; django.setup()\n"
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "from library.models import Book\n"
        "Book.objects.bulk_create(Book(title='Book %d' % n, slug='book-%d' % n, author='Author') for n in range(30))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=site, env=environment, check=True)


def weigh(row, names, options, data):
    """The lines of a row: medians of the rounds, in which the servers take turns."""
    started = {name: Started(name, row, options.threads, data) for name in names}
    try:
        for server in started.values():
            server.measure(1)
        figures = {name: [] for name in names}
        for _ in range(options.rounds):
            for name, server in started.items():
                figures[name].append(server.measure(options.seconds))
    finally:
        for server in started.values():
            server.end()
    lines = []
    for name, rounds in figures.items():
        per_second, rate, p99 = (statistics.median(column) for column in list(zip(*rounds))[:3])
        ratios = [ratio(figures.get(own), rounds) for own in ("rwgi", "rwgi --inline")]
        told = (row, name, number(name), per_second, rate, p99, sum(one[3] for one in rounds), *ratios)
        lines.append("| %s | %s %s | %.0f | %.0f | %.1f | %d | %s | %s |" % told)
        print(lines[-1], flush=True)
    return lines, notes(row, figures)


def notes(row, figures):
    """Why those who are ahead are ahead."""
    lines = []
    for name, rounds in figures.items():
        # What fastwsgi does is a limit, and no aim.
        if name.startswith("rwgi") or name == "fastwsgi":
            continue
        # Who has one thread and no other is compared with `--inline`.
        own, bound = ("rwgi --inline", 0.9) if name == "bjoern" else ("rwgi", 1.0)
        figure = ratio(figures.get(own), rounds)
        about = row.removesuffix(", one thread")
        why = NOTES.get((about, name)) or NOTES.get((about, None)) or "not explained."
        if figure != "-" and float(figure) < bound:
            lines.append("- *%s, %s*: %s has %s of its figure. %s" % (row, name, own, figure, why[0].upper() + why[1:]))
    return lines


def ratio(own, others):
    """The median of one's figure by the other's in the same round."""
    if own is None:
        return "-"
    ratios = [one[0] / other[0] for one, other in zip(own, others) if other[0]]
    return "%.2f" % statistics.median(ratios) if ratios else "-"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", metavar="FILE")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--row", action="append")
    parser.add_argument("server", nargs="*")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("LEFT OUT: wrk is not installed")
    names = []
    for name in options.server or SERVERS:
        try:
            number(name)
            names.append(name)
        except PackageNotFoundError:
            print("LEFT OUT: %s is not installed" % name)
    lines, told = [], []
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as data:
        prepare(data)
        for row in options.row or ROWS:
            more, why = weigh(row, names, options, data)
            lines += more
            told += why
            print(*why, sep="\n", flush=True)
    if options.write:
        with open(options.write, "w") as file:
            file.write("\n".join([*head(options, busy), *lines, "", "## Who is ahead, and why", "", *(told or ["Nobody."])]) + "\n")


def head(options, busy):
    return [
        "# Throughput, server beside server",
        "",
        "Made by `python benches/throughput.py --write THROUGHPUT.md`; not edited by hand. One run, one machine (%d processors: one for the server, one" % os.cpu_count(),
        "for wrk), one process, %d threads where a server has threads (bjoern and fastwsgi have one), Python %s. Medians of %d rounds of %d s in which" % (options.threads, sys.version.split()[0], options.rounds, options.seconds),
        "the servers take turns. The figure that compares is requests per second of the server's own processor time; the last columns are rwgi's",
        "figures divided by the row's. The machine's load was %.1f before the run and %.1f after it: on a busy machine p99 and requests per second" % (busy, os.getloadavg()[0]),
        "say little. Below the table stands why somebody is ahead: of rwgi at the same number of threads, or by more than a tenth of `--inline`.",
        "",
        "| | Server | per CPU-second | per second | p99, ms | failed | rwgi is | inline is |",
        "|---|---|---|---|---|---|---|---|",
    ]


if __name__ == "__main__":
    main()
