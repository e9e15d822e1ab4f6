#!/usr/bin/env python3
"""How long channel layers take to recover from a fault: the fault tests of rwgi-channels, run again and again.

    python3 contrib/channels/tools/recovery.py [--rounds 5]

Writes benches/results/recovery.json and .md. Rules of this tool: the tests themselves say how long it took, one at a time; a test that fails ends it.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TESTS = [
    "faults::redis_is_killed_and_started_again_under_load",
    "faults::connections_are_cut_under_load",
    "processes::a_process_that_is_killed_is_gone_from_its_groups",
    "sentinel::another_master_is_followed",
]


def main():
    parser = argparse.ArgumentParser(description="How long channel layers take to recover from a fault.")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    command = ["cargo", "test", "-q", "-p", "rwgi-channels", "--test", "contract", "--"]
    found = {}
    for turn in range(arguments.rounds):
        output = subprocess.run(
            [*command, "--exact", "--nocapture", "--test-threads", "1", *TESTS],
            cwd=ROOT, check=True, capture_output=True, text=True, env=os.environ | {"RWGI_REQUIRE_REDIS": "1"},
        ).stdout
        for what, milliseconds in re.findall(r"recovered: (.*): ([\d.]+) ms", output):
            found.setdefault(what, []).append(float(milliseconds))
        print(f"{turn + 1}/{arguments.rounds}", flush=True)
    version = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout.split()[2]
    about = {
        "day": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "redis_server": version.removeprefix("v="),
        "rounds": arguments.rounds,
        "load_at_the_end": round(os.getloadavg()[0], 1),
    }
    results = ROOT / "benches" / "results"
    (results / "recovery.json").write_text(json.dumps({"circumstances": about, "milliseconds": found}, indent=2) + "\n")
    lines = [
        "# How channel layers recover",
        "",
        "From the fault, or from when Redis answers again, in milliseconds; as the tests of faults say it, in a debug build, with a pause of at most 200 ms",
        "between two attempts to reach a server. Taken by `python3 contrib/channels/tools/recovery.py`.",
        "",
        "| | median | worst |",
        "| --- | ---: | ---: |",
    ]
    for what, times in found.items():
        lines.append(f"| {what} | {statistics.median(times):.0f} | {max(times):.0f} |")
    lines += ["", "Circumstances: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in about.items()) + ".", ""]
    (results / "recovery.md").write_text("\n".join(lines))
    print("written: benches/results/recovery.json and .md")


if __name__ == "__main__":
    main()
