"""Finds the virtual environment of the project.

Rules of this room: who runs in a virtual environment stays there; otherwise VIRTUAL_ENV, then ``.venv`` or ``venv`` in
the application's directory; where ``rwgi`` is installed in it, its Python takes over, and where it is not, its packages
are added if its Python is of this version.
"""

import os
import site
import sys


def use_the_projects(arguments):
    """Goes on in the project's virtual environment, if there is one and this is not it."""
    if sys.prefix != sys.base_prefix:
        return
    directory = find(_app_dir(arguments))
    if directory is None:
        return
    packages = os.path.join(
        directory, "lib", "python%d.%d" % sys.version_info[:2], "site-packages"
    )
    python = os.path.join(directory, "bin", "python")
    if _holds_rwgi(directory):
        os.execv(python, [python, "-m", "rwgi", *arguments])
    elif os.path.isdir(packages):
        site.addsitedir(packages)
        print("rwgi: using the packages of %s" % directory, file=sys.stderr)
    else:
        print(
            "rwgi: %s is of another version of Python than this one (%d.%d): install rwgi in it"
            % (directory, *sys.version_info[:2]),
            file=sys.stderr,
        )


def find(directory):
    """The virtual environment for an application in this directory, or None."""
    candidates = [os.environ.get("VIRTUAL_ENV", "")]
    candidates += [os.path.join(directory, name) for name in (".venv", "venv")]
    for candidate in candidates:
        if candidate and os.path.isfile(os.path.join(candidate, "pyvenv.cfg")):
            return os.path.abspath(candidate)
    return None


def _holds_rwgi(directory):
    lib = os.path.join(directory, "lib")
    for version in os.listdir(lib) if os.path.isdir(lib) else []:
        if os.path.isdir(os.path.join(lib, version, "site-packages", "rwgi")):
            return True
    return False


def _app_dir(arguments):
    # Only this one option is needed before the options are read.
    for index, argument in enumerate(arguments):
        if argument.startswith("--app-dir="):
            return argument.partition("=")[2]
        if argument == "--app-dir" and index + 1 < len(arguments):
            return arguments[index + 1]
    return "."
