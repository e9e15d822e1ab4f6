"""The applications that the suite's cases talk to: one for each path, in one WSGI callable."""

from wsgiref.validate import validator

import app_content  # noqa: F401 (each adds its paths)
import app_head  # noqa: F401
import app_request  # noqa: F401
from registry import GOOD, PLAIN, WRONG


def application(environ, start_response):
    path = environ.get("PATH_INFO", "")
    name = "/" + path.split("/")[1] if "/" in path else path
    function = GOOD.get(name) or WRONG.get(name)
    if function is None:
        start_response("404 Not Found", PLAIN[:])
        return [b"no such case"]
    return function(environ, start_response)


validated = validator(application)
