"""A Django site of one view, with a WebSocket."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

from rwgi.websocket import accept_websocket

settings.configure(
    ALLOWED_HOSTS=["*"],
    CSRF_TRUSTED_ORIGINS=["https://pages.example", "https://*.trusted.example"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
)


@accept_websocket
def echo(request):
    for message in request.websocket:
        if message == "fail":
            raise ValueError("on purpose")
        request.websocket.send(message)


urlpatterns = [path("", echo)]
django.setup()
application = get_wsgi_application()
