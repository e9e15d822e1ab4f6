"""Several processes behind the same sockets: a parent that binds and watches, children that serve.

Rules of this room: children are started anew and never forked, since a copy of a process with threads is broken; the
sockets stay open in the parent, so that nothing is lost while children come and go; a child that cannot start the first
time ends the parent, and later it is tried again; one that dies soon after it is ready is started at growing intervals;
no child outlives the parent.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time

from . import _rwgi
from ._sockets import at_the_front, bind, files, name, remove
from ._supervisor import Supervisor, inherited

_CHILD = "RWGI_CHILD"

# What a child says through its pipe.
_READY = b"1"
_TIRED = b"2"

# Seconds before a child that failed is tried again: a database that starts at the same time is there by then.
_PAUSE = 1.0

# Seconds that a child has to serve for its death to be a chance event; sooner, and again, it is tried again after _PAUSE, then twice that, up to
# _LONGEST_PAUSE. gunicorn and uvicorn try at once, without end; systemd after 0.1 s, and gives up after five in 10 s; Kubernetes after 10 s, then
# twice that, up to 5 min, until one has lived for 10 min.
_SETTLED = 10.0
_LONGEST_PAUSE = 10.0

# Seconds between two looks at the source files; a person who saves a file does not notice.
_LOOK = 0.5


def is_child():
    """Whether this process was started by a parent of this module."""
    return _CHILD in os.environ


def serve(options):
    """Serves, as a child."""
    from .__main__ import end

    parent, _, admin = os.environ.pop(_CHILD).partition(":")
    parent = int(parent)
    os.environ["LISTEN_PID"] = str(os.getpid())
    threading.Thread(target=_follow, args=(parent,), name="rwgi-parent", daemon=True).start()

    def tell():
        if options.reload:
            from . import _reload

            # From now on: what was imported is known, and nobody was served yet.
            _reload.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
        os.write(parent, _READY)

    end(_rwgi.serve(options, tell, lambda: os.write(parent, _TIRED), admin or None), options)


def _follow(parent):
    """Stops this process when the parent has ended: nobody else would, and it would keep the address from the next one."""
    watched = select.poll()
    # Told of nothing but the end: of a pipe that nobody reads any more.
    watched.register(parent, 0)
    watched.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def supervise(options, arguments):
    """Binds, starts children, and replaces those that end; gives the exit code."""
    try:
        handed = inherited()
        server = options.server
        # What a supervisor left open is meant; the default only stands in where nothing was said.
        addresses = server.bind if server.says_where or not handed else []
        made = [(bind(address, server), "http" if address.startswith("http://") else "") for address in addresses]
        admin = bind(server.admin, server, 16) if server.admin else None
    except OSError as error:
        print("rwgi: %s" % error, file=sys.stderr)
        return 1
    mine = files([*(bound for bound, _ in made), *([admin] if admin else [])])
    code = _Parent([*handed, *made], admin, options, arguments).run()
    for path, inode in mine:
        remove(path, inode)
    return code


class _Child:
    def __init__(self, sockets, names, arguments, admin=None, replaces=None, hasty=0):
        self.pipe, write = os.pipe()
        os.set_blocking(self.pipe, False)
        # Descriptors 3 and up, in order, are what the child expects.
        environment = dict(os.environ, LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(names))
        environment[_CHILD] = "%d:%s" % (write, admin) if admin else str(write)
        self.admin = admin
        self.ready = self.tired = self.asked = self.reopens = False
        self.replaces = replaces
        self.again = 0.0
        # When it became ready, and how many before it in its place died soon, one after the other.
        self.since, self.hasty = 0.0, hasty
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rwgi", *arguments],
                env=environment,
                pass_fds=[*(bound.fileno() for bound in sockets), write],
                # ctrl-c is for the parent: a child would take its word to stop for a second one, and hurry.
                start_new_session=True,
            )
        except OSError:
            self.close()
            raise
        finally:
            os.close(write)

    def look(self):
        """Notes what the child has said."""
        try:
            said = os.read(self.pipe, 16) if self.pipe is not None else b""
        except BlockingIOError:
            return
        if _READY in said:
            self.ready, self.since = True, time.monotonic()
        self.tired |= _TIRED in said
        if not said:
            self.close()

    def close(self):
        """Hears no more of it."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None

    def stop(self):
        if not self.asked:
            self.asked = True
            try:
                self.process.send_signal(signal.SIGTERM)
            except ProcessLookupError:
                pass


class _Parent:
    def __init__(self, sockets, admin, options, arguments):
        self.names = [named for _, named in sockets]
        self.sockets = at_the_front([bound for bound, _ in sockets], admin)
        self.supervisor = Supervisor()
        self.admin = None
        if admin is not None:
            from ._admin import Admin

            self.admin = Admin(self.sockets.pop(), self._answering)
            print("rwgi: the admin listener answers at %s for all processes" % name(self.admin.server.socket), file=sys.stderr, flush=True)
        self.options = options
        self.arguments = arguments
        self.children = []
        self.stopping = 0
        self.renewing = self.renewed = False
        self.served = False
        self.code = 0
        # When another one is started, and what it has as `hasty`.
        self.later = []

    def run(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._renew)
        signal.signal(signal.SIGUSR1, self._reopen)
        # A child's end interrupts the wait below.
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for _ in range(self.options.processes):
            self._start()
        # A signal to stop may have come between a look at `stopping` and an entry in `later`.
        while self.children or (self.later and not self.stopping):
            left = self.supervisor.alive()
            patience = _LOOK if left is None else min(left, _LOOK)
            select.select([wake, *(c.pipe for c in self.children if c.pipe is not None)], [], [], patience)
            try:
                os.read(wake, 4096)
            except BlockingIOError:
                pass
            self._tick()
        if self.admin is not None:
            self.admin.close()
        return self.code

    def _start(self, replaces=None, hasty=0):
        if self.stopping:
            return
        admin = self.admin.path() if self.admin is not None else None
        try:
            child = _Child(self.sockets, self.names, self.arguments, admin, replaces, hasty)
        except OSError as error:
            # No process, memory or file is left, or this Python is just being installed anew.
            print("rwgi: a process could not be started: %s" % error, file=sys.stderr, flush=True)
            self._failed(replaces, hasty)
            return
        self.children.append(child)
        if self.stopping:
            # The signal came while the child was being made, and did not find it.
            self._end(child)

    def _failed(self, replaces, hasty):
        """A process could not start: another one is tried later, unless it was among the first."""
        if not (self.served or self.options.reload):
            # The next ones will not start either. They have said why.
            self.code = 1
            self._stop()
        elif replaces in self.children:
            # The old one goes on meanwhile, and was to be replaced for whatever reason.
            replaces.tired, replaces.again = True, time.monotonic() + _PAUSE
        else:
            self.later.append((time.monotonic() + _PAUSE, hasty))

    def _answering(self):
        return [(child.process.pid, child.admin) for child in list(self.children) if child.ready]

    def _stop(self, *_):
        if not self.stopping:
            self.supervisor.stopping()
        self.stopping += 1
        self.later.clear()
        for child in self.children:
            self._end(child)

    def _end(self, child):
        if self.stopping > 1:
            child.process.kill()
        child.stop()

    def _renew(self, *_):
        self.supervisor.reloading()
        self.renewing = True

    def _reopen(self, *_):
        # Who is not ready may not know the signal yet, and would end by it.
        for child in self.children:
            child.reopens = True

    def _tick(self):
        for child in list(self.children):
            child.look()
            if child.ready:
                if not self.served:
                    self.served = True
                    self.supervisor.ready()
                if child.replaces is not None:
                    # It has taken over at the socket; the old one ends what it has begun.
                    child.replaces.stop()
                    child.replaces = None
                if child.reopens:
                    child.reopens = False
                    child.process.send_signal(signal.SIGUSR1)
            if child.process.poll() is not None:
                child.look()
                child.close()
                self.children.remove(child)
                self._ended(child)
        if self.stopping:
            return
        now = time.monotonic()
        followed = [child.replaces for child in self.children]
        for child in list(self.children):
            wanted = self.renewing or (child.tired and child.again <= now)
            if wanted and child.replaces is None and not child.asked and child not in followed:
                self._start(replaces=child)
        if self.renewing:
            # Whoever asks for it has mended what there was to mend.
            self.later = [(now, 0) for _ in self.later]
        self.renewed |= self.renewing
        self.renewing = False
        if self.renewed and not any(child.replaces for child in self.children):
            self.renewed = False
            self.supervisor.ready()
        due = [hasty for when, hasty in self.later if when <= now]
        self.later = [(when, hasty) for when, hasty in self.later if when > now]
        for hasty in due:
            self._start(hasty=hasty)

    def _ended(self, child):
        code = child.process.returncode
        if self.stopping:
            if code not in (0, -signal.SIGTERM):
                self.code = 1
        elif child.asked:
            # Replaced; it may not even have been ready.
            pass
        elif child.ready:
            # Its successor may be on its way already.
            followed = any(other.replaces is child for other in self.children)
            hasty, pause = (0, 0) if followed else self._pause(child)
            if code or pause:
                when = " in %g s" % pause if pause else ""
                print("rwgi: a process ended with %d; another one is started%s" % (code, when), file=sys.stderr, flush=True)
            if pause:
                self.later.append((time.monotonic() + pause, hasty))
            elif not followed:
                self._start(hasty=hasty)
        else:
            if self.served or self.options.reload:
                print("rwgi: a process could not start; it is tried again", file=sys.stderr, flush=True)
            self._failed(child.replaces, child.hasty)

    def _pause(self, child):
        """How many have died soon now, one after the other, and how long to wait before the next one: the first death may be chance."""
        soon = time.monotonic() - child.since < _SETTLED
        # With --reload a process ends because of a person who wants to see the next one.
        hasty = child.hasty + 1 if soon and not self.options.reload else 0
        return hasty, min(_PAUSE * 2 ** min(hasty - 2, 16), _LONGEST_PAUSE) if hasty > 1 else 0
