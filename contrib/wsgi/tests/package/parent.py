"""`rwgi` with a parent of several processes to which something happens: `python parent.py HAPPENING run …`.

Rules of this file: what happens is what a machine does, at a moment that no test could hit from outside.
"""

import os
import signal
import subprocess
import sys

# short: the third process is refused; stopped: SIGTERM comes behind the second; hasty: whatever dies dies soon; settled: it never does;
# stuck: it does, and the pause after it is an hour.
HAPPENING = sys.argv.pop(1)
REAL = subprocess.Popen


class Popen(REAL):
    made = 0

    def __init__(self, *arguments, **keywords):
        Popen.made += 1
        if HAPPENING == "short" and Popen.made == 3:
            raise BlockingIOError("there are too many processes")
        super().__init__(*arguments, **keywords)
        if HAPPENING == "stopped" and Popen.made == 2:
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    subprocess.Popen = Popen
    from rwgi import _processes
    from rwgi.__main__ import main

    if HAPPENING in ("hasty", "settled", "stuck"):
        _processes._SETTLED = 0 if HAPPENING == "settled" else 3600
    if HAPPENING == "stuck":
        _processes._PAUSE = _processes._LONGEST_PAUSE = 3600
    main(sys.argv[1:])
