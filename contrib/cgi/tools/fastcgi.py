#!/usr/bin/env python3
"""Processor time of a request behind nginx: rwgi-cgi beside other FastCGI responders that spawn-fcgi starts.

    python3 contrib/cgi/tools/fastcgi.py [--requests 20000] [--rounds 5]

Needs nginx, spawn-fcgi, h2load, a C compiler with libfcgi-dev, and Python's venv; says which of them is missing. Writes benches/results/fastcgi.json
and .md. Rules of this tool: every responder gives the same octets, is started by spawn-fcgi and stands behind the same nginx with one worker;
contestants take turns, round after round; what counts is the time on a processor of the responder's processes and of nginx's worker, which survives a
busy machine. libfcgi and flup serve one connection at a time in a process (flup: in a thread), so there are as many as connections.
"""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CONNECTIONS = 8
TARGET = "/plaintext"
BODY = f"Hello from {TARGET}, once: false\n"

C_PROGRAM = r"""
#include <fcgi_stdio.h>
#include <stdlib.h>
int main(void) {
    while (FCGI_Accept() >= 0)
        printf("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nHello from %s, once: false\n", getenv("REQUEST_URI"));
    return 0;
}
"""

PYTHON_PROGRAM = """
import sys
from flup.server.fcgi import WSGIServer

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"Hello from {environ['REQUEST_URI']}, once: false\\n".encode()]

WSGIServer(application, maxThreads=%d, minSpare=%d, maxSpare=%d).run()
""" % (CONNECTIONS * 2, CONNECTIONS, CONNECTIONS * 2)

NGINX = """
{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {folder}/body; fastcgi_temp_path {folder}/fastcgi; proxy_temp_path {folder}/proxy;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream application {{ server unix:{socket}; {keepalive} }}
    server {{
        listen {address};
        location / {{
            fastcgi_pass application; {keep_conn}
            fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param QUERY_STRING $query_string; fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param REMOTE_ADDR $remote_addr; fastcgi_param REMOTE_PORT $remote_port;
            fastcgi_param SERVER_ADDR $server_addr; fastcgi_param SERVER_PORT $server_port;
            fastcgi_param SERVER_NAME $server_name; fastcgi_param SCRIPT_NAME ''; fastcgi_param PATH_INFO $uri;
        }}
    }}
}}
"""


def found(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not path:
        raise SystemExit(f"{program} is not installed")
    return path


def processor(pids):
    """Nanoseconds on a processor, of all threads of these processes."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def children(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def connect(what, make):
    """Tries until there is somebody; gives up after a minute."""
    until = time.monotonic() + 60
    while True:
        try:
            return make()
        except OSError:
            if time.monotonic() > until:
                raise SystemExit(f"{what} did not come")
            time.sleep(0.01)


class Responder:
    """A responder on a Unix socket, started by spawn-fcgi as a supervisor does it."""

    def __init__(self, command, processes, path):
        pidfile = path.with_suffix(".pid")
        arguments = [found("spawn-fcgi"), "-s", str(path), "-P", str(pidfile), "-F", str(processes), "--", *command]
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        self.pids = [int(pid) for pid in pidfile.read_text().split()]

        def probe():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

        connect("the responder", probe)

    def stop(self):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Nginx:
    def __init__(self, path, kept, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        keep = {"keepalive": f"keepalive {CONNECTIONS};", "keep_conn": "fastcgi_keep_conn on;"} if kept else {"keepalive": "", "keep_conn": ""}
        user = "user root;" if os.geteuid() == 0 else ""
        conf = folder / "nginx.conf"
        conf.write_text(NGINX.format(user=user, folder=folder, socket=path, address=f"127.0.0.1:{self.port}", **keep))
        self.process = subprocess.Popen([found("nginx"), "-c", str(conf), "-p", str(folder)], stderr=subprocess.DEVNULL)
        answer = connect("nginx", self.ask)
        if BODY.encode() not in answer:
            raise SystemExit(f"not the answer that was asked for: {answer!r}")
        self.workers = children(self.process.pid)

    def ask(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as client:
            client.sendall(f"GET {TARGET} HTTP/1.0\r\n\r\n".encode())
            return b"".join(iter(lambda: client.recv(65536), b""))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def load(port, requests):
    command = [found("h2load"), "--h1", "-t", "1", "-c", str(CONNECTIONS), "-n", str(requests), f"http://127.0.0.1:{port}{TARGET}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    counts = re.search(r"(\d+) succeeded, (\d+) failed", output)
    if not counts or counts.group(1) != str(requests):
        raise SystemExit(f"not every request was answered:\n{output}")


def weigh(command, processes, kept, requests):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        path = folder / "app.sock"
        responder = Responder(command, processes, path)
        try:
            nginx = Nginx(path, kept, folder)
            try:
                load(nginx.port, max(requests // 10, CONNECTIONS))
                before = processor(responder.pids), processor(nginx.workers)
                load(nginx.port, requests)
                after = processor(responder.pids), processor(nginx.workers)
            finally:
                nginx.stop()
        finally:
            responder.stop()
    each = [(new - old) / requests / 1e3 for old, new in zip(before, after)]
    return {"responder_us": each[0], "nginx_us": each[1]}


def contestants(folder):
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    source, program = folder / "responder.c", folder / "responder"
    source.write_text(C_PROGRAM)
    subprocess.run([shutil.which("cc") or found("gcc"), "-O2", "-o", str(program), str(source), "-lfcgi"], check=True)
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "flup"], check=True)
    script = folder / "responder.py"
    script.write_text(PYTHON_PROGRAM)
    return {
        "rwgi-cgi": ([str(Path(target) / "release" / "examples" / "cgi_hello")], 1),
        "libfcgi, in C": ([str(program)], CONNECTIONS),
        "flup, in Python": ([python, str(script)], 1),
    }


def version(command, pattern):
    output = subprocess.run(command, capture_output=True, text=True)
    match = re.search(pattern, output.stdout + output.stderr)
    return match.group(1) if match else "unknown"


def main():
    parser = argparse.ArgumentParser(description="Processor time of a request behind nginx, beside other FastCGI responders.")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--built", action="store_true", help="take the example as it was built last")
    arguments = parser.parse_args()
    for program in ("nginx", "spawn-fcgi", "h2load"):
        found(program)
    if not arguments.built:
        build = ["cargo", "build", "--release", "-p", "rwgi-cgi", "--example", "cgi_hello"]
        subprocess.run(build, check=True, cwd=ROOT)
    rounds = {}
    with tempfile.TemporaryDirectory() as folder:
        listed = contestants(Path(folder))
        for turn in range(arguments.rounds):
            for kept in (False, True):
                for name, (command, processes) in listed.items():
                    requests = arguments.requests // 10 if "Python" in name else arguments.requests
                    figure = weigh(command, processes, kept, requests)
                    way = "kept" if kept else "one for each request"
                    print(f"{turn + 1}/{arguments.rounds} {way}, {name}: {figure}", flush=True)
                    rounds.setdefault(way, {}).setdefault(name, []).append(figure)
    about = {
        "day": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "nginx": version([found("nginx"), "-v"], r"nginx/([\d.]+)"),
        "libfcgi": version(["dpkg-query", "-W", "libfcgi-dev"], r"\s(\S+)"),
        "python": platform.python_version(),
        "connections": CONNECTIONS,
        "requests": arguments.requests,
        "rounds": arguments.rounds,
        "load_at_the_end": round(os.getloadavg()[0], 1),
    }
    results = ROOT / "benches" / "results"
    (results / "fastcgi.json").write_text(json.dumps({"circumstances": about, "rounds": rounds}, indent=2) + "\n")
    lines = [
        "# FastCGI responders behind nginx",
        "",
        f"Microseconds on a processor for a request to `{TARGET}`, of the responder and of nginx's worker: the median of {arguments.rounds} rounds, and between which",
        "extremes; taken by `python3 contrib/cgi/tools/fastcgi.py`. Every responder is started by spawn-fcgi; the ratio is that of the same round.",
        "",
        "| connections from nginx | responder | its time | beside rwgi-cgi | nginx's time |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    spread = lambda values, places: f"{statistics.median(values):.{places}f} ({min(values):.{places}f} to {max(values):.{places}f})"
    for way, figures in rounds.items():
        ours = [figure["responder_us"] for figure in figures["rwgi-cgi"]]
        for name, taken in figures.items():
            theirs = [figure["responder_us"] for figure in taken]
            ratio = spread([their / our for their, our in zip(theirs, ours)], 2)
            lines.append(f"| {way} | {name} | {spread(theirs, 1)} | {ratio} | {spread([figure['nginx_us'] for figure in taken], 1)} |")
    lines += ["", "Circumstances: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in about.items()) + ".", ""]
    (results / "fastcgi.md").write_text("\n".join(lines))
    print("written: benches/results/fastcgi.json and .md")


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("reads /proc, as Linux has it")
    main()
