"""The original's side of the differential test: rows in, what Django and django-cors-headers make of them out.

Rules of this room: it only drives; what is the same and what is not is judged by the test.
"""

import contextlib
import json
import logging
import sys

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["corsheaders"],
    MIDDLEWARE=["corsheaders.middleware.CorsMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="-",
)
django.setup()
logging.disable(logging.CRITICAL)

from corsheaders.checks import check_settings
from corsheaders.signals import check_request_enabled
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import re_path

CURRENT = {}


def view(request):
    if CURRENT["fails"]:
        raise RuntimeError("as it was asked to")
    CURRENT["reached"] = True
    return HttpResponse("application", status=CURRENT["status"], headers=dict(CURRENT["answers"]))


urlpatterns = [re_path(r"(?s)^.*$", view)]

SIGNALS = {
    "Always": lambda sender, request, **kwargs: True,
    "Never": lambda sender, request, **kwargs: False,
    "Api": lambda sender, request, **kwargs: request.path_info.startswith("/api/"),
}


def answer(row):
    CURRENT.clear()
    CURRENT.update(row, reached=False)
    handler = SIGNALS.get(row["signal"])
    if handler:
        check_request_enabled.connect(handler)
    try:
        with override_settings(**row["settings"]):
            client = Client(raise_request_exception=False)
            extra = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in row["fields"]}
            path = row["path"][len(row["mount"]):]
            response = client.generic(row["method"], path, SCRIPT_NAME=row["mount"], **extra)
    finally:
        if handler:
            check_request_enabled.disconnect(handler)
    return {
        "status": response.status_code,
        "reached": CURRENT["reached"] or row["fails"],
        "fields": sorted(
            [name.lower(), value]
            for name, value in response.headers.items()
            if name.lower() == "vary" or name.lower().startswith("access-control-")
        ),
        "length": response.headers.get("content-length"),
    }


def checks(values):
    with contextlib.suppress(Exception), override_settings(**values):
        return [[message.id, message.msg] for message in check_settings()]
    return "raises"


asked = json.load(sys.stdin)
json.dump(
    {
        "rows": [answer(row) for row in asked["rows"]],
        "checks": [checks(values) for values in asked["checks"]],
    },
    sys.stdout,
)
