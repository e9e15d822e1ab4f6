"""What the servers are weighed with."""

import os
import sys

HELLO = [("Content-Type", "text/plain"), ("Content-Length", "13")]
BLOCK = b"x" * 65536


def hello(environ, start_response):
    start_response("200 OK", HELLO[:])
    return [b"Hello, World!"]


def upload(environ, start_response):
    left, stream = int(environ["CONTENT_LENGTH"]), environ["wsgi.input"]
    while left > 0:
        block = stream.read(min(left, 65536))
        if not block:
            break
        left -= len(block)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def download(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(160 * 65536))])
    return (BLOCK for _ in range(160))


def application(environ, start_response):
    return {"/upload": upload, "/download": download}.get(environ["PATH_INFO"], hello)(environ, start_response)


def site():
    """The Django site of the examples: its list of books, a template and a query."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "django-site"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    from mysite.wsgi import application as django

    return django


if os.environ.get("SITE_DATA"):
    django = site()
