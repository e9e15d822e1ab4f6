"""Weighs servers of WSGI applications against each other: `python throughput.py [--write FILE]`; needs wrk.

Rules of this tool: one machine, one run, servers in turn, the same number of threads where a server has threads; the
figure is requests per second of processor time of the server, since the load's own work is none of the server's; who is
not installed is left out aloud.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.dirname(sys.executable)

SERVERS = {
    "rwgi": lambda port, app, threads: [f"{BIN}/rwgi", "run", app, "--bind", f"127.0.0.1:{port}", "--threads", str(threads), "--log", "error"],
    "rwgi --inline": lambda port, app, threads: [*SERVERS["rwgi"](port, app, threads), "--inline"],
    "granian": lambda port, app, threads: [f"{BIN}/granian", app, "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", str(threads), "--log-level", "error"],
    "gunicorn": lambda port, app, threads: [f"{BIN}/gunicorn", app, "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", str(threads), "--log-level", "error", "--keep-alive", "60"],
    "uWSGI": lambda port, app, threads: [f"{BIN}/uwsgi", "--http11-socket", f"127.0.0.1:{port}", "--enable-threads", "--threads", str(threads), "--master", "--disable-logging", "--die-on-term", "--listen", "100", "--module", app],
    "waitress": lambda port, app, threads: [f"{BIN}/waitress-serve", f"--listen=127.0.0.1:{port}", f"--threads={threads}", app],
    "bjoern": lambda port, app, threads: [sys.executable, "-c", f"import bjoern, applications; bjoern.run(applications.{app.split(':')[1]}, '127.0.0.1', {port})"],
    "fastwsgi": lambda port, app, threads: [sys.executable, "-c", f"import fastwsgi, applications; fastwsgi.run(applications.{app.split(':')[1]}, host='127.0.0.1', port={port}, loglevel=0)"],
}
ROWS = {
    "hello, world": ("applications:application", "/", 64),
    "a Django page": ("applications:django", "/", 32),
    "upload of 1 MiB": ("applications:application", "/upload", 16),
    "download of 10 MiB": ("applications:application", "/download", 8),
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


def measure(name, row, threads, seconds, data):
    app, path, connections = ROWS[row]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": HERE, "SITE_DATA": data if "django" in app else ""}
    process = subprocess.Popen(
        SERVERS[name](port, app, threads),
        cwd=HERE,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        load(port, path, connections, 1)
        before = processor_time(process.pid)
        rate, p99, failed = load(port, path, connections, seconds)
        used = processor_time(process.pid) - before
        return rate, rate * seconds / used if used else 0.0, p99, failed
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def load(port, path, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        extra = ["-s", script.name] if path == "/upload" else []
        command = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency", *extra]
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", metavar="FILE")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=4)
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
    lines = []
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as data:
        prepare(data)
        for row in options.row or ROWS:
            figures = {name: measure(name, row, options.threads, options.seconds, data) for name in names}
            for name, (rate, per_second, p99, failed) in figures.items():
                ratios = ["%.2f" % (figures[own][1] / per_second) if own in figures and per_second else "-" for own in ("rwgi", "rwgi --inline")]
                told = (row, name, number(name), per_second, rate, p99, failed, *ratios)
                line = "| %s | %s %s | %.0f | %.0f | %.1f | %d | %s | %s |" % told
                lines.append(line)
                print(line, flush=True)
    if options.write:
        head = [
            "# Throughput, server beside server",
            "",
            "Made by `python benches/throughput.py --write THROUGHPUT.md`; not edited by hand. One run, one machine (%d processors, shared with" % os.cpu_count(),
            "wrk), one process, %d threads where a server has threads (bjoern and fastwsgi have one), Python %s. The figure that compares is" % (options.threads, sys.version.split()[0]),
            "requests per second of the server's own processor time; the last columns are rwgi's figures divided by the row's. The machine's load",
            "before the run was %.0f: on a busy machine p99 and requests per second say little." % busy,
            "",
            "| | Server | per CPU-second | per second | p99, ms | failed | rwgi is | inline is |",
            "|---|---|---|---|---|---|---|---|",
        ]
        with open(options.write, "w") as file:
            file.write("\n".join(head + lines) + "\n")


if __name__ == "__main__":
    main()
