"""The sockets of a server of several processes: bound by the parent, handed on to its children.

Rules of this room: what cannot be listened on is an OSError that says where; the file of a socket that somebody serves, and a file that is no
socket, are left alone.
"""

import os
import socket
import stat

from ._supervisor import FIRST


def bind(address, server, backlog=None):
    try:
        bound = _unix(address[5:], server.unix_mode) if address.startswith("unix:") else _tcp(address, server.reuse_port)
        bound.listen(server.backlog if backlog is None else backlog)
    except OSError as error:
        raise OSError("cannot listen on %s: %s" % (address, error)) from None
    return bound


def files(sockets):
    """The files of Unix sockets, as they are now."""
    names = [bound.getsockname() for bound in sockets if bound.family == socket.AF_UNIX]
    paths = [name for name in names if isinstance(name, str) and name]
    return [(path, os.lstat(path).st_ino) for path in paths]


def remove(path, inode):
    """Removes the file of a socket, unless another server has put its own there since."""
    try:
        if os.lstat(path).st_ino == inode:
            os.unlink(path)
    except OSError:
        # Left behind, the next start removes it.
        pass


def _tcp(address, shared):
    """Listens on the first address that `address` stands for and that can be had."""
    for scheme in ("http://", "https://"):
        # Whether it is TLS that is spoken there is the processes' affair.
        address = address[len(scheme) :] if address.startswith(scheme) else address
    host, _, port = address.rpartition(":")
    try:
        candidates = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError, OverflowError) as error:
        message = "%s: write it as 127.0.0.1:8000, [::1]:8000, localhost:8000 or unix:/path"
        raise OSError(message % error) from None
    last = None
    for family, kind, protocol, _, where in candidates:
        try:
            bound = socket.socket(family, kind, protocol)
        except OSError as error:
            last = error
            continue
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(where)
            return bound
        except OSError as error:
            bound.close()
            last = error
    raise last or OSError("no such address")


def _unix(path, mode):
    if path in ("", "@"):
        raise OSError("there is no path: write it as unix:/run/example.sock or unix:@name")
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if path.startswith("@"):
        bound.bind("\0" + path[1:])
        return bound
    if os.path.lexists(path):
        # To connect to a file of another kind is refused as it is by a socket that nobody serves.
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError("a file that is no socket: remove it or choose another path")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            try:
                other.connect(path)
            except ConnectionRefusedError:
                # Whoever made it has ended.
                os.unlink(path)
    bound.bind(path)
    # Before it listens, so that nobody can connect in between.
    os.chmod(path, mode)
    return bound


def name(bound):
    """An address as text."""
    given = bound.getsockname()
    return "%s:%d" % given[:2] if isinstance(given, tuple) else "unix:%s" % given


def at_the_front(sockets, admin=None):
    """The sockets on descriptors 3 and up, where children look for them; behind them that of the admin listener."""
    moved = []
    sockets = sockets if admin is None else [*sockets, admin]
    # Out of the way first: one may lie where another has to go.
    numbers = [os.dup(bound.detach()) for bound in sockets]
    for index, number in enumerate(numbers):
        target = FIRST + index
        if number != target:
            os.dup2(number, target, inheritable=True)
            if number not in range(FIRST, FIRST + len(numbers)):
                os.close(number)
        moved.append(socket.socket(fileno=target))
    return moved
