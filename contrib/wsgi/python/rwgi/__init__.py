"""RWGI's server for WSGI (PEP 3333) and ASGI applications: ``rwgi run myproject.wsgi:application``."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("rwgi")
except PackageNotFoundError:  # the source tree, not installed
    __version__ = "0"

__all__ = ["__version__"]
