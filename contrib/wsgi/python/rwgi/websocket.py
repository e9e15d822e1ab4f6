"""WebSockets for Django views that block, in the style of dwebsocket.

    from rwgi.websocket import accept_websocket

    @accept_websocket
    def echo(request):
        if not request.is_websocket():
            return render(request, "echo.html")
        for message in request.websocket:
            request.websocket.send(message)

Middleware, sessions and URLs apply as to any view, since it is one. The view runs on a thread of its own, and the socket is closed when
it returns: with 1011 where it raises. Other frameworks find the socket as ``environ["rwgi.websocket"]``.
"""

import contextlib
import functools

__all__ = ["WebSocket", "accept_websocket", "require_websocket"]


class WebSocket:
    """An accepted WebSocket, as a view sees it."""

    def __init__(self, socket):
        self._socket = socket

    def wait(self, timeout=None):
        """The next message, ``str`` or ``bytes``; None where the socket is closed, or none came within `timeout` seconds."""
        try:
            return self._socket.receive(timeout)
        except TimeoutError:
            return None

    def read(self):
        """The next message if there is one already, and None otherwise."""
        return self._socket.receive_nowait()

    def has_messages(self):
        """Whether `read` would give a message."""
        return self._socket.pending() > 0

    def count_messages(self):
        """How many messages `read` would give."""
        return self._socket.pending()

    def send(self, message):
        """Sends ``str`` as text and ``bytes`` as binary; raises ConnectionError where the socket is closed."""
        self._socket.send(message)

    def close(self, code=1000, reason=""):
        """Closes the socket."""
        self._socket.close(code, reason)

    def is_closed(self):
        """Whether the socket is closed."""
        return self._socket.closed

    def __iter__(self):
        """The messages, until the socket is closed."""
        return self._socket


def accept_websocket(view):
    """A view that is called for requests of both kinds; `request.is_websocket()` tells which."""
    return _decorate(view, required=False)


def require_websocket(view):
    """A view for WebSockets only; another request is answered 400."""
    return _decorate(view, required=True)


def _decorate(view, required):
    @functools.wraps(view)
    def called(request, *arguments, **keywords):
        from django.http import HttpResponse, HttpResponseBadRequest, HttpResponseForbidden

        socket = request.META.get("rwgi.websocket")
        request.is_websocket = lambda: socket is not None
        request.websocket = None
        if socket is None:
            if required:
                return HttpResponseBadRequest("a WebSocket is needed here")
            return view(request, *arguments, **keywords)
        if not _is_welcome(request):
            return HttpResponseForbidden("this page may not open a WebSocket here")
        socket.accept()
        request.websocket = WebSocket(socket)
        try:
            response = view(request, *arguments, **keywords)
        except Exception as error:
            if not (isinstance(error, ConnectionError) and socket.closed):
                # Django makes a page of it that nobody reads; the visitor is told what a WebSocket can tell. Closed already is closed.
                with contextlib.suppress(RuntimeError):
                    socket.close(1011)
                raise
            # The visitor has gone, which is how most of these end.
            response = None
        # Nobody reads it; Django asks for one.
        return response or HttpResponse()

    return called


def _is_welcome(request):
    """Whether the page that asks is of this site, or of one in CSRF_TRUSTED_ORIGINS: a browser lets any page ask, with the cookies."""
    from urllib.parse import urlsplit

    from django.conf import settings
    from django.utils.http import is_same_domain

    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        # Who is no browser sends none, and has no cookies of somebody else.
        return True
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    if page.netloc == request.get_host() or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        # `https://*.example.com`, as Django has it.
        scheme, below, domain = trusted.partition("://*")
        if below and page.scheme == scheme and is_same_domain(page.netloc, domain):
            return True
    return False
