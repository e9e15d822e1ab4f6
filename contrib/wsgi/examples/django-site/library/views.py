"""The pages."""

import json
import re
import time

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpResponse, HttpResponseBadRequest, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt

from rwgi.websocket import accept_websocket

from .forms import AskForm, BookForm
from .models import Book


def index(request):
    return render(request, "library/index.html", {"books": Book.objects.all()})


def book(request, slug):
    return render(request, "library/book.html", {"book": get_object_or_404(Book, slug=slug)})


def cover(request, slug):
    """A file, which the server sends by itself (wsgi.file_wrapper)."""
    found = get_object_or_404(Book, slug=slug)
    return FileResponse(found.cover.open("rb"), as_attachment=True)


def add(request):
    form = BookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "The book was added.")
        return redirect(form.instance)
    return render(request, "library/form.html", {"form": form, "title": "Add a book"})


def ask(request):
    form = AskForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return render(request, "library/asked.html", {"question": form.cleaned_data["question"]})
    return render(request, "library/form.html", {"form": form, "title": "Ask us"})


@login_required
def mine(request):
    visits = request.session.get("visits", 0) + 1
    request.session["visits"] = visits
    return HttpResponse("%s was here %d time(s)" % (request.user.username, visits))


@csrf_exempt
def upload(request):
    """Tells what was uploaded; a large file lies in a temporary file by now."""
    file = request.FILES.get("file")
    if file is None:
        return HttpResponseBadRequest("send a file in the field `file`")
    return JsonResponse({"name": file.name, "size": file.size, "sum": sum(sum(chunk) for chunk in file.chunks())})


def export(request):
    """All books as CSV, line by line."""

    def lines():
        yield "title,author\n"
        for found in Book.objects.iterator():
            yield '"%s","%s"\n' % (found.title.replace('"', '""'), found.author.replace('"', '""'))

    return StreamingHttpResponse(lines(), content_type="text/csv")


def jsonp(request):
    """For pages of other origins that have nothing better."""
    callback = request.GET.get("callback", "")
    if not re.fullmatch(r"[A-Za-z_$][\w$.]{0,100}", callback):
        return HttpResponseBadRequest("callback must be a name")
    titles = json.dumps([found.title for found in Book.objects.all()])
    # The comment keeps what follows from being anything but script.
    return HttpResponse("/**/%s(%s);" % (callback, titles), content_type="text/javascript")


def api(request):
    return JsonResponse({"books": [{"title": found.title, "slug": found.slug} for found in Book.objects.all()]})


@accept_websocket
def echo(request):
    """Says what it hears, and who is there."""
    if not request.is_websocket():
        return render(request, "library/echo.html")
    request.websocket.send("hello %s" % (request.user.username or "stranger"))
    for message in request.websocket:
        request.websocket.send(message)


@accept_websocket
def progress(request):
    """The classic: a download, and how far it is."""
    if not request.is_websocket():
        return render(request, "library/progress.html")
    name = request.websocket.wait()
    for percent in range(0, 101, 10):
        # Here a real one would write what it has received.
        time.sleep(0.02)
        if request.websocket.has_messages() and request.websocket.read() == "stop":
            request.websocket.send(json.dumps({"stopped": percent}))
            return
        request.websocket.send(json.dumps({"name": name, "percent": percent}))


def talk(request, room):
    """The page of a room; its socket is a consumer of Channels (consumers.py), which runs under ASGI."""
    return render(request, "library/talk.html", {"room": room})
