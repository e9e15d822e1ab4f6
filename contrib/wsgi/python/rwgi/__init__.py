"""RWGI's server for WSGI applications (PEP 3333): ``rwgi run myproject.wsgi:application``."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("rwgi")
except PackageNotFoundError:  # the source tree, not installed
    __version__ = "0"

__all__ = ["__version__"]
