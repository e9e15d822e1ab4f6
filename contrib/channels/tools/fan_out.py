#!/usr/bin/env python3
"""One message to many WebSockets: rwgi-channels beside Channels, on the same machine and the same Redis.

    python3 contrib/channels/tools/fan_out.py [--sockets 10000] [--rounds 10] [--repeat 2]

Makes a virtual environment with channels_redis and uvicorn (with uvloop and httptools, its fastest), starts a Redis of its own on a free port, and runs the
contestants in turns (A B C, A B C). Writes benches/results/fan_out.json and .md. Rules of this tool: every contestant is a server of the same chat, each
socket in one group, and meets the same driver (the example fan_out), which says 100 bytes on one socket; what is timed is from before it is said until the
last socket has it, driver included; over Redis there are two servers with half the sockets each. Of the repetitions the one with the best
median counts, for what disturbs a machine only ever adds. The InMemoryChannelLayer of Channels is left out: it looks through all channels at each call,
and takes minutes for one message to 10,000. The second table is what the server's memory grows by while half of its sockets do not read.
"""

import argparse
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

APPLICATION = '''
import os
from django.conf import settings

layer = {"BACKEND": os.environ["LAYER"], "CONFIG": {"hosts": [os.environ["REDIS"]]}}
settings.configure(CHANNEL_LAYERS={"default": layer})

import django

django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer


class Fan(AsyncWebsocketConsumer):
    groups = ["all"]

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("all", {"type": "chat.message", "text": text_data})

    async def chat_message(self, event):
        await self.send(text_data=event["text"])


application = Fan.as_asgi()
'''

OURS = "rwgi-channels"
LAYERS = {
    "Channels, RedisChannelLayer": "channels_redis.core.RedisChannelLayer",
    "Channels, RedisPubSubChannelLayer": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_redis(folder):
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "ready to accept connections" in line.lower():
            break
    # What follows is few lines and fits into the pipe.
    return process, f"redis://127.0.0.1:{port}"


def environment(folder):
    place = Path(folder) / "venv"
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "channels_redis", "uvicorn[standard]"], check=True)
    (Path(folder) / "fan.py").write_text(APPLICATION)
    names = "channels", "channels_redis", "redis", "uvicorn", "uvloop", "websockets"
    listed = json.loads(
        subprocess.run([python, "-m", "pip", "list", "--format", "json"], check=True, capture_output=True).stdout
    )
    return python, {entry["name"]: entry["version"] for entry in listed if entry["name"] in names}


class Server:
    """Ours says where it listens; uvicorn inherits its socket, for with its words come two lines for each WebSocket."""

    def __init__(self, command, folder, variables=None):
        if variables is None:
            self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
            self.address = self.process.stdout.readline().strip().removeprefix("http://")
            return
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(4096)
            self.address = f"127.0.0.1:{listener.getsockname()[1]}"
            file = listener.fileno()
            environ = os.environ | variables
            self.process = subprocess.Popen([*command, str(file)], cwd=folder, env=environ, pass_fds=[file])

    def memory(self, which):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{which}:\s*(\d+) kB", status).group(1)) / 1024

    def stop(self):
        self.process.kill()
        self.process.wait()


def run(example, servers, rounds, sockets, slow=0, length=100):
    """What the driver found; None where a socket did not get a message within a minute."""
    command = [example, "drive", str(rounds), str(sockets), str(slow), str(length), *(server.address for server in servers)]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for line in driver.stdout:
            if "open" in line:
                break
        at_rest = servers[0].memory("VmRSS")
        # Not `communicate`: the driver's sockets, and with them the server's memory, end with it.
        output = driver.stdout.read()
        driver.wait()
        if driver.returncode:
            print(driver.stderr.read(), flush=True)
            return None
        figure = {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", output)}
        return figure | {"at_rest_mib": at_rest, "peak_mib": servers[0].memory("VmHWM")}
    finally:
        driver.kill()
        driver.wait()


def main():
    parser = argparse.ArgumentParser(description="One message to many WebSockets, beside Channels.")
    open_as_many_files_as_allowed()
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--built", action="store_true", help="take the example as it was built last")
    arguments = parser.parse_args()
    if not shutil.which("redis-server"):
        raise SystemExit("redis-server is not installed")
    if not arguments.built:
        build = ["cargo", "build", "--release", "-p", "rwgi-channels", "--example", "fan_out"]
        subprocess.run(build, check=True, cwd=ROOT)
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    example = str(Path(target) / "release" / "examples" / "fan_out")
    best, slow = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        python, versions = environment(folder)
        redis, url = start_redis(folder)

        def ours(layer):
            return Server([example, "serve", layer], folder)

        def theirs(layer):
            command = [python, "-m", "uvicorn", "fan:application", "--lifespan", "off", "--log-level", "warning", "--fd"]
            return Server(command, folder, {"LAYER": layer, "REDIS": url})

        contestants = {f"one process: {OURS}, Memory": (1, lambda: ours("memory"))}
        contestants |= {f"one process: {name}": (1, lambda layer=layer: theirs(layer)) for name, layer in LAYERS.items()}
        contestants[f"two over Redis: {OURS}, Redis"] = (2, lambda: ours(url))
        contestants |= {f"two over Redis: {name}": (2, lambda layer=layer: theirs(layer)) for name, layer in LAYERS.items()}
        try:
            for turn in range(arguments.repeat):
                for name, (many, start) in contestants.items():
                    servers = [start() for _ in range(many)]
                    try:
                        figure = run(example, servers, arguments.rounds, arguments.sockets)
                    finally:
                        for server in servers:
                            server.stop()
                    print(f"{turn + 1}/{arguments.repeat} {name}: {figure}", flush=True)
                    if figure and (not best.get(name) or figure["median_ms"] < best[name]["median_ms"]):
                        best[name] = figure
                    best.setdefault(name, None)
            for name, start in {OURS + ", Memory": lambda: ours("memory"), "Channels, RedisPubSubChannelLayer": lambda: theirs(LAYERS["Channels, RedisPubSubChannelLayer"])}.items():
                server = start()
                try:
                    # What a socket that does not read would be owed: 16 MiB.
                    slow[name] = run(example, [server], 1_000, 200, 100, 16 * 1024)
                finally:
                    server.stop()
                print(f"slow: {name}: {slow[name]}", flush=True)
        finally:
            redis.kill()
            redis.wait()
    version = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout.split()[2]
    about = {
        "day": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "redis_server": version.removeprefix("v="),
        **versions,
        "sockets": arguments.sockets,
        "rounds": arguments.rounds,
        "load_at_the_end": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }
    results = ROOT / "benches" / "results"
    (results / "fan_out.json").write_text(json.dumps({"circumstances": about, "figures": best, "slow": slow}, indent=2) + "\n")
    lines = [
        "# One message to many WebSockets",
        "",
        f"From before 100 bytes are said on one socket until the last of {arguments.sockets:,} sockets has them, in milliseconds; over Redis at two",
        "servers with half the sockets each. Taken by `python3 contrib/channels/tools/fan_out.py`, with one driver for all, whose own work is in the times;",
        f"{arguments.rounds} messages, the best of {arguments.repeat} runs in turns. Channels is served by uvicorn with uvloop.",
        "",
        "| | median | 90 % | worst | resident set of the first server, open and at most |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, figure in best.items():
        if figure is None:
            lines.append(f"| {name} | none: not every socket got each message within a minute | | | |")
            continue
        times = " | ".join(f"{figure[key]:.1f}" for key in ("median_ms", "p90_ms", "worst_ms"))
        lines.append(f"| {name} | {times} | {figure['at_rest_mib']:.0f} MiB, {figure['peak_mib']:.0f} MiB |")
    lines += [
        "",
        "What a server's memory grows by while 100 of its 200 sockets do not read, and 1,000 messages of 16 KiB go to all (16 MiB to each):",
        "",
        "| | grows by | median of the time to the last that reads |",
        "| --- | ---: | ---: |",
    ]
    for name, figure in slow.items():
        if figure is None:
            lines.append(f"| {name} | none: not every socket got each message within a minute | |")
            continue
        lines.append(f"| {name} | {figure['peak_mib'] - figure['at_rest_mib']:.0f} MiB | {figure['median_ms']:.1f} ms |")
    circumstances = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in about.items() if value is not None)
    lines += ["", f"Circumstances: {circumstances}.", ""]
    (results / "fan_out.md").write_text("\n".join(lines))
    print("written: benches/results/fan_out.json and .md")


def open_as_many_files_as_allowed():
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
