"""The command ``rwgi``, and ``python -m rwgi``.

Rules of this room: the project's own Python first, then one process or a parent of several; what was not told to
somebody else is done here.
"""

import os
import sys
import threading
import time

from . import _environment

# Seconds that an interpreter has to end at least, however short the period of grace is: many times what it needs.
_LEAST = 5.0


def main(arguments=None):
    """Runs the command; ends the process with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _environment.use_the_projects(arguments)
    from . import _rwgi

    options = _rwgi.parse(arguments)
    directory = os.path.abspath(options.app_dir)
    if not os.path.isdir(directory):
        print("rwgi: --app-dir %s: there is no such directory" % options.app_dir, file=sys.stderr)
        sys.exit(1)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    if options.processes > 1 or options.max_requests or options.reload:
        from . import _processes

        if _processes.is_child():
            _processes.serve(options)
        else:
            sys.exit(_processes.supervise(options, arguments))
    end(_rwgi.serve(options), options)


def end(result, options):
    """Ends the process, also where a view never returns, or a thread of the application's."""
    code, left = result
    if left:
        # The interpreter would wait for these threads, or fall over them.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    # Python waits for threads that the application has started, and for what it does at its exit, for ever.
    threading.Thread(target=_leave, args=(max(options.server.grace, _LEAST),), name="rwgi-end", daemon=True).start()
    sys.exit(code)


def _leave(patience):
    # It ends where the interpreter begins to, and never where somebody has caught the exit and goes on.
    threading.main_thread().join()
    time.sleep(patience)
    main, this = threading.main_thread(), threading.current_thread()
    left = [thread.name for thread in threading.enumerate() if not thread.daemon and thread not in (main, this)]
    what = "the threads of the application (%s) have not ended" % ", ".join(left) if left else "the exit of the application has not ended"
    try:
        print("rwgi: %s, and the process ends without" % what, file=sys.stderr, flush=True)
        sys.stdout.flush()
    finally:
        # Also where nobody reads what it says.
        os._exit(1)


if __name__ == "__main__":
    main()
