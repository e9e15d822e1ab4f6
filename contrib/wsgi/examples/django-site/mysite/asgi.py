"""The ASGI application: the pages as in wsgi.py, and the consumers of Channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

# First, since it sets Django up, and the consumers use it.
pages = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402

from library.consumers import TalkConsumer  # noqa: E402

talk = TalkConsumer.as_asgi()
# As `start` mounts it, at /ws; and where this is all of the site.
sockets = URLRouter([path("talk/<slug:room>/", talk), path("ws/talk/<slug:room>/", talk)])
application = ProtocolTypeRouter(
    {"http": pages, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))}
)
