#!/usr/bin/env python3
"""One message to many receivers: rwgi-channels beside channels_redis, on the same machine and the same Redis.

    python3 contrib/channels/tools/fan_out.py [--receivers 10000] [--rounds 20] [--repeat 3]

Makes a virtual environment with channels_redis, starts a Redis of its own on a free port, and runs the contestants in turns (A B C, A B C).
Writes benches/results/fan_out.json and .md. Rules of this tool: every contestant has the same receivers, the same message of 100 bytes and
the same rounds; what is timed is from before the message is sent until the last receiver has it; over Redis, in two processes of half the
receivers each, until the other process has said so through Redis. Of the repetitions the one with the best median counts, for what
disturbs a machine only ever adds. The InMemoryChannelLayer of channels is left out: it looks through all channels at each call, and takes minutes
for one message to 10,000.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MESSAGE = {"type": "chat.message", "text": "x" * 100}


def layer_of(kind, url):
    if kind == "redis":
        from channels_redis.core import RedisChannelLayer

        return RedisChannelLayer(hosts=[url])
    from channels_redis.pubsub import RedisPubSubChannelLayer

    return RedisPubSubChannelLayer(hosts=[url])


async def worker(kind, role, url, receivers, rounds):
    """One process of Channels: `only`, `send` or `receive`."""
    layer = layer_of(kind, url)
    got, changed = 0, asyncio.Event()

    async def receive(channel):
        nonlocal got
        while True:
            await layer.receive(channel)
            got += 1
            if got % receivers == 0:
                changed.set()

    tasks = []
    for _ in range(receivers):
        channel = await layer.new_channel()
        await layer.group_add("all", channel)
        tasks.append(asyncio.create_task(receive(channel)))
    done = await layer.new_channel("done") if role == "send" else None
    if role == "send":
        await layer.group_add("done", done)
    print("joined", flush=True)
    if role == "receive":
        while True:
            await changed.wait()
            changed.clear()
            await layer.group_send("done", {"type": "done"})
    if role == "send":
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        await layer.group_send("all", MESSAGE)
        await asyncio.wait_for(changed.wait(), 60)
        changed.clear()
        if role == "send":
            await asyncio.wait_for(layer.receive(done), 60)
        times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    at = lambda share: times[(len(times) - 1) * share // 100]
    print(f"last median_ms={at(50):.2f} p90_ms={at(90):.2f} worst_ms={at(100):.2f}")
    status = Path("/proc/self/status").read_text() if Path("/proc/self/status").exists() else ""
    resident = re.search(r"VmRSS:\s*(\d+) kB", status)
    print(f"resident={resident.group(1)}kB" if resident else "resident=unknown")


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
    venv.create(folder, with_pip=True)
    python = str(Path(folder) / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "channels_redis"], check=True)
    names = "channels", "channels_redis", "redis"
    listed = json.loads(
        subprocess.run([python, "-m", "pip", "list", "--format", "json"], check=True, capture_output=True).stdout
    )
    return python, {entry["name"]: entry["version"] for entry in listed if entry["name"] in names}


def commands(python, url, receivers, rounds):
    """Each contestant: the process that receives only, if there is one, and the one that is timed."""
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    rust = str(Path(target) / "release" / "examples" / "fan_out")
    half, rounds = str(receivers // 2), str(rounds)

    def theirs(kind, role, many):
        return [python, __file__, "--worker", kind, role, url, many, rounds]

    return {
        "one process: rwgi-channels, Memory": (None, [rust, "memory", str(receivers), rounds]),
        "one process: channels_redis, RedisChannelLayer": (None, theirs("redis", "only", str(receivers))),
        "one process: channels_redis, RedisPubSubChannelLayer": (None, theirs("pubsub", "only", str(receivers))),
        "two over Redis: rwgi-channels, Redis": ([rust, "redis", url, half], [rust, "send", url, half, rounds]),
        "two over Redis: channels_redis, RedisChannelLayer": (
            theirs("redis", "receive", half),
            theirs("redis", "send", half),
        ),
        "two over Redis: channels_redis, RedisPubSubChannelLayer": (
            theirs("pubsub", "receive", half),
            theirs("pubsub", "send", half),
        ),
    }


def run(other, timed):
    processes = []
    try:
        for command in filter(None, (other, timed)):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            processes.append(process)
            if other:
                for line in process.stdout:
                    if "joined" in line:
                        break
        output, _ = processes[-1].communicate("go\n", timeout=1200)
        found = dict(re.findall(r"(\w+)=([\w.]+)", output))
        if "median_ms" not in found:
            # A receiver's connection timed out, or the last one had nothing after a minute.
            return None
        return {key: float(value) if key.endswith("_ms") else value for key, value in found.items()}
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description="One message to many receivers, beside channels_redis.")
    parser.add_argument("--receivers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--built", action="store_true", help="take the example as it was built last")
    arguments = parser.parse_args()
    if not shutil.which("redis-server"):
        raise SystemExit("redis-server is not installed")
    build = ["cargo", "build", "--release", "-p", "rwgi-channels", "--example", "fan_out"]
    if not arguments.built:
        subprocess.run(build, check=True, cwd=ROOT)
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        python, versions = environment(folder)
        for turn in range(arguments.repeat):
            redis, url = start_redis(folder)
            try:
                contestants = commands(python, url, arguments.receivers, arguments.rounds)
                for name, (other, timed) in contestants.items():
                    figure = run(other, timed)
                    print(f"{turn + 1}/{arguments.repeat} {name}: {figure}", flush=True)
                    if figure and (not best.get(name) or figure["median_ms"] < best[name]["median_ms"]):
                        best[name] = figure
                    best.setdefault(name, None)
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
        "receivers": arguments.receivers,
        "rounds": arguments.rounds,
        "load_at_the_end": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }
    results = ROOT / "benches" / "results"
    (results / "fan_out.json").write_text(json.dumps({"circumstances": about, "figures": best}, indent=2) + "\n")
    lines = [
        "# One message to many receivers",
        "",
        f"From before `group_send` until the last of {arguments.receivers:,} receivers has the message, in milliseconds; over Redis in two",
        "processes of half the receivers each, until the other process has said through Redis that its last one has it. Taken by",
        f"`python3 contrib/channels/tools/fan_out.py`, {arguments.rounds} messages, the best of {arguments.repeat} runs in turns.",
        "",
        "| | median | 90 % | worst | resident set of the timed process |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, figure in best.items():
        if figure is None:
            lines.append(f"| {name} | none: a receiver failed, or waited for more than a minute | | | |")
            continue
        times = " | ".join(f"{figure[key]:.1f}" for key in ("median_ms", "p90_ms", "worst_ms"))
        resident = figure.get("resident", "")
        mib = f"{int(resident.removesuffix('kB')) / 1024:.0f} MiB" if resident.endswith("kB") else "unknown"
        lines.append(f"| {name} | {times} | {mib} |")
    lines += [
        "",
        "Circumstances: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in about.items() if value is not None) + ".",
        "",
    ]
    (results / "fan_out.md").write_text("\n".join(lines))
    print("written: benches/results/fan_out.json and .md")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        kind, role, url, many, rounds = sys.argv[2:]
        asyncio.run(worker(kind, role, url, int(many), int(rounds)))
    else:
        main()
