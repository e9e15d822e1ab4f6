"""The command ``rwgi``, and ``python -m rwgi``.

Rules of this room: the project's own Python first, then one process or a parent of several; what was not told to
somebody else is done here.
"""

import os
import sys

from . import _environment


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
    end(_rwgi.serve(options))


def end(result):
    """Ends the process, also where a view never returns."""
    code, left = result
    if left:
        # The interpreter would wait for these threads, or fall over them.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
