"""What a server does beside the iterable: responses without content, files, the connection.
"""

from cases_content import is_closed_once, is_cut
from client import Incomplete
from suite import collector, same, unique

CASES = []
case = collector(CASES)


# --- methods and statuses without content ----------------------------------------------------------------------------


def nothing_follows(client, octets, status, method="GET"):
    with client.connect() as connection:
        connection.send(octets)
        response = connection.response(method)
        same(response.status, status)
        try:
            connection.send(client.request("/one"))
            same(connection.response().body, b"one block")
        except (Incomplete, OSError):
            same(connection.rest, b"")
        return response


@case("HEAD has the headers and no content")
def head(client):
    response = nothing_follows(client, client.request("/head?x", "HEAD"), 200, "HEAD")
    same(response.value("Content-Length"), "9")


@case("HEAD of a generator has no content")
def head_generator(client):
    nothing_follows(client, client.request("/many", "HEAD"), 200, "HEAD")


@case("204 has no content and no framing")
def no_content(client):
    response = nothing_follows(client, client.request("/no_content"), 204)
    same(response.value("Transfer-Encoding"), None)


@case("204 has no content, whatever the application gives", good=False)
def no_content_with_content(client):
    nothing_follows(client, client.request("/no_content_with_content"), 204)


@case("304 has no content")
def not_modified(client):
    nothing_follows(client, client.request("/not_modified"), 304)


# --- wsgi.file_wrapper -----------------------------------------------------------------------------------------------


def octets(start, end):
    return bytes(index % 251 for index in range(start, end))


@case("wsgi.file_wrapper sends a file")
def file_whole(client):
    response = client.get("/file_whole?" + unique())
    assert response.body == octets(0, 200_000) and response.whole, "%d octets" % len(response.body)


@case("wsgi.file_wrapper sends from where the file stands")
def file_position(client):
    assert client.get("/file_position?" + unique()).body == octets(15_000, 20_000)


@case("wsgi.file_wrapper sends no more than the declared length")
def file_declared(client):
    with client.connect() as connection:
        connection.send(client.request("/file_declared?" + unique()))
        assert connection.response().body == octets(0, 5_000)


@case("a file of less than the declared length does not look whole", good=False)
def file_short(client):
    is_cut(client, "/file_short?" + unique())


@case("wsgi.file_wrapper sends what only reads like a file")
def file_memory(client):
    assert client.get("/file_memory?" + unique()).body == octets(0, 20_000)


@case("wsgi.file_wrapper sends a file that is decoded as it is read as it reads, not as it lies on the disk")
def file_decoded(client):
    for who in ("", "stands"):
        response = client.get("/file_decoded?" + who)
        assert response.body == octets(0, 20_000) and response.whole, "%d octets" % len(response.body)


@case("wsgi.file_wrapper sends a file by what stands for it")
def file_stands(client):
    for who in ("", "stands"):
        same(client.get("/file_stands?" + who).body, octets(10, 20_000))


@case("wsgi.file_wrapper can be iterated by the application")
def file_iterated(client):
    same(client.get("/file_iterated").body, b"0123456789")


@case("the file is closed, once")
def file_closed(client):
    for path in ("/file_whole?", "/file_memory?"):
        key = unique()
        client.get(path + key)
        is_closed_once(client, key)


@case("the file is closed where the client leaves")
def file_closed_departed(client):
    key = unique()
    connection = client.connect()
    connection.send(client.request("/file_whole?" + key))
    connection.until(b"\r\n\r\n")
    connection.reset()
    is_closed_once(client, key)


# --- the connection --------------------------------------------------------------------------------------------------


@case("two requests go over one connection")
def kept_alive(client):
    with client.connect() as connection:
        for _ in range(2):
            connection.send(client.request("/one"))
            same(connection.response().body, b"one block")


@case("pipelined requests are answered in their order")
def pipelined(client):
    with client.connect() as connection:
        connection.send(b"".join(client.request(path) for path in ("/one", "/blocks", "/pair", "/nothing", "/one")))
        bodies = [connection.response().body for _ in range(5)]
    same(bodies, [b"one block", b"one two three", b"one two", b"", b"one block"])
