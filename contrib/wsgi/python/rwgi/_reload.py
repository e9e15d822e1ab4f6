"""Notices that a source file has changed.

Rules of this room: only files that the application has imported, by their time of change; for development only.
"""

import os
import sys
import threading

# Seconds between two looks.
_PAUSE = 0.5


def watch(changed):
    """Calls `changed` once when a module's file has changed; looks from a thread that keeps nothing alive."""
    seen = {}
    _differs(seen)
    threading.Thread(target=_look, args=(seen, changed), name="rwgi-reload", daemon=True).start()


def _look(seen, changed):
    pause = threading.Event()
    while not pause.wait(_PAUSE):
        path = _differs(seen)
        if path:
            print("rwgi: %s has changed: starting anew" % path, file=sys.stderr, flush=True)
            changed()
            return


def _differs(seen):
    """The first file whose time is not the one that was seen; files that are new are noted."""
    for path in _files():
        try:
            time = os.stat(path).st_mtime_ns
        except OSError:
            continue
        if seen.setdefault(path, time) != time:
            return path
    return None


def _files():
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.endswith(".py") and not path.startswith(sys.base_prefix):
            yield path
