"""What a supervisor such as systemd hands over (`LISTEN_FDS`), and what it is told (sd_notify), for a server of several processes.

Rules of this room: both are between the supervisor and the parent, and its processes hear nothing of it; where nobody supervises nothing
happens; that nobody hears is no failure.
"""

import os
import socket
import time

# The first descriptor that is handed over.
FIRST = 3


def inherited():
    """The sockets that were left open for this process, each with its name; they are taken over once."""
    mine = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if not (mine and count.isdigit()):
        return []
    names += [""] * int(count)
    return [(socket.socket(fileno=FIRST + index), names[index]) for index in range(int(count))]


class Supervisor:
    """Who is told of the server's life."""

    def __init__(self):
        # Out of the environment: a process that comes or goes is not the server.
        self.address = os.environ.pop("NOTIFY_SOCKET", "")
        often = os.environ.pop("WATCHDOG_USEC", "")
        mine = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        # Half of it, as sd_watchdog_enabled(3) advises; in seconds.
        self.interval = int(often) / 2e6 if often.isdigit() and mine else 0
        self.told = 0.0

    def ready(self):
        """The server serves; after `reloading`, that this has ended."""
        self._tell("READY=1")

    def reloading(self):
        """The processes are being replaced."""
        # systemd tells this reload from an earlier one by its time.
        self._tell("RELOADING=1\nMONOTONIC_USEC=%d" % (time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))

    def stopping(self):
        """The server has been told to stop and does."""
        self._tell("STOPPING=1")

    def alive(self):
        """That the server is alive, where it is time for it; gives how many seconds are left until then, if it is ever time."""
        if not self.interval:
            return None
        now = time.monotonic()
        if now - self.told >= self.interval:
            self.told = now
            self._tell("WATCHDOG=1")
        return self.told + self.interval - now

    def _tell(self, text):
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
                # Never waits: a supervisor that does not listen must not hold up the server.
                door.setblocking(False)
                door.sendto(text.encode(), address)
        except OSError:
            pass
