"""What PEP 3333 asks of the way from the iterable to the client.
"""

from client import Incomplete
from suite import collector, same, unique

CASES = []
case = collector(CASES)


# --- the iterable ----------------------------------------------------------------------------------------------------


@case("a list of one block is the content")
def body_one(client):
    same(client.get("/one").body, b"one block")


@case("the length of a list of one block is known", good=False)  # wsgiref.validate makes an iterator of the list
def body_one_length(client):
    same(client.get("/one").value("Content-Length"), "9")


@case("a list of blocks is the content")
def body_blocks(client):
    same(client.get("/blocks").body, b"one two three")


@case("a tuple of blocks is the content")
def body_tuple(client):
    same(client.get("/pair").body, b"one two")


@case("an empty list is no content, and status and headers are sent")
def body_none(client):
    response = client.get("/nothing")
    same((response.status, response.body, response.whole), (200, b"", True))


@case("an empty block does not end the content")
def body_empty_blocks(client):
    response = client.get("/empties")
    same((response.body, response.whole), (b"ab", True))


@case("a block is sent before the next one is asked for")
def body_at_once(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/at_once?" + key))
        connection.until(b"first")
        client.get("/release?" + key)
        same(connection.response().body, b"first second")


@case("a declared Content-Length is sent, and no other framing")
def body_declared(client):
    response = client.get("/declared")
    same((response.body, response.framing, response.value("Content-Length")), (b"fourfour", "length", "8"))


@case("without a length the content is chunked for HTTP/1.1, or ends with the connection")
def body_undeclared(client):
    response = client.get("/many")
    same((len(response.body), response.whole), (3_000_000, True))
    assert response.framing in ("chunked", "close")


@case("a client of HTTP/1.0 gets no chunks")
def body_http_1_0(client):
    response = client.get("/many", version="1.0")
    same((len(response.body), response.whole), (3_000_000, True))
    assert response.framing != "chunked"


@case("a large block comes whole")
def body_large(client):
    response = client.get("/big")
    same((len(response.body), response.whole), (3_000_000, True))


def next_is_whole(client, path):
    with client.connect() as connection:
        connection.send(client.request(path))
        first = connection.response()
        same(first.body, b"four")
        closes = (first.value("Connection") or "").lower() == "close"
        try:
            connection.send(client.request("/one"))
            second = connection.response()
        except (Incomplete, OSError):
            return
        assert not closes
        same(second.body, b"one block")


@case("no more than the declared length is sent, and the next response is whole", good=False)
def body_too_many(client):
    next_is_whole(client, "/too_many")


@case("no more of a list than the declared length is sent, and the next response is whole", good=False)
def body_too_many_listed(client):
    next_is_whole(client, "/too_many_listed")


def is_cut(client, path):
    with client.connect() as connection:
        connection.send(client.request(path))
        try:
            response = connection.response()
        except Incomplete:
            return
        assert response.status == 500 or not response.whole, "it looks whole: %r" % response.body
        if response.status == 200:
            assert not connection.more(), "the connection is still open"


@case("less than the declared length ends the connection, and does not look whole", good=False)
def body_too_few(client):
    is_cut(client, "/too_few")


@case("a list of less than the declared length ends the connection, or is answered 500", good=False)
def body_too_few_listed(client):
    is_cut(client, "/too_few_listed")


@case("an exception after the first block does not make the response look whole", good=False)
def body_fails_in_the_middle(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/fails_in_the_middle?" + key))
        connection.until(b"one")
        client.get("/release?" + key)
        response = connection.response()
        assert not response.whole, "it looks whole"


@case("an exception before the first block is answered 500", good=False)
def body_fails_before(client):
    same(client.get("/fails_before").status, 500)


@case("an exception of the application is answered 500, and the server goes on", good=False)
def application_fails(client):
    same(client.get("/fails").status, 500)
    same(client.get("/one").status, 200)


@case("SystemExit is answered 500, and the server goes on", good=False)
def application_exits(client):
    before = client.pid()
    try:
        same(client.get("/exits").status, 500)
    finally:
        same(client.get("/one").status, 200)
        same(client.pid(), before)


@case("KeyboardInterrupt is answered 500, and the server goes on", good=False)
def application_interrupts(client):
    try:
        same(client.get("/interrupts").status, 500)
    finally:
        same(client.get("/one").status, 200)


@case("an application that returns None is answered 500", good=False)
def application_returns_none(client):
    same(client.get("/returns_none").status, 500)


@case("a block of text is an error of the application", good=False)
def body_text(client):
    is_cut_or_500(client, "/strings")


@case("a list of text is an error of the application", good=False)
def body_text_listed(client):
    is_cut_or_500(client, "/strings_listed")


def is_cut_or_500(client, path):
    try:
        response = client.get(path)
    except Incomplete:
        return
    assert response.status == 500 or not response.whole, "it was taken: %r" % response.body


@case("what stands behind the last block of a generator is run")
def body_after_the_last(client):
    key = unique()
    same(client.get("/after_the_last?" + key).body, b"one")
    assert client.state("after " + key, 1), "it was not"


# --- close() ---------------------------------------------------------------------------------------------------------


def is_closed_once(client, key):
    same(client.state("closed " + key, 1), [1])


@case("close() is called after the last block, once")
def close_normal(client):
    key = unique()
    client.get("/closed?" + key)
    is_closed_once(client, key)


@case("close() is called where one block is all that was declared")
def close_exact(client):
    key = unique()
    client.get("/closed_exact?" + key)
    is_closed_once(client, key)


@case("close() is called after an exception in the iteration", good=False)
def close_failing(client):
    key = unique()
    client.get("/closed_failing?" + key)
    is_closed_once(client, key)


@case("close() is called after an exception before the first block", good=False)
def close_failing_first(client):
    key = unique()
    client.get("/closed_failing_first?" + key)
    is_closed_once(client, key)


@case("close() is called where more came than was declared", good=False)
def close_too_many(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/closed_too_many?" + key))
        connection.response()
    is_closed_once(client, key)


@case("close() is called for HEAD")
def close_head(client):
    key = unique()
    client.get("/head?" + key, method="HEAD")
    is_closed_once(client, key)


@case("close() is called where the client leaves while a block waits for it")
def close_departed(client):
    key = unique()
    connection = client.connect()
    connection.send(client.request("/endless?" + key))
    connection.until(b"xxxx")
    connection.reset()
    is_closed_once(client, key)


@case("close() is called where the client leaves while there are empty blocks only")
def close_departed_idle(client):
    key = unique()
    connection = client.connect()
    connection.send(client.request("/idle?" + key))
    connection.until(b"x")
    connection.reset()
    is_closed_once(client, key)
    key = unique()
    connection = client.connect()
    connection.send(client.request("/idle_declared?" + key))
    client.state("begun " + key, 1)
    connection.reset()
    is_closed_once(client, key)


@case("write() raises where the client leaves, for HEAD as for GET")
def write_departed(client):
    for method in ("GET", "HEAD"):
        key = unique()
        connection = client.connect()
        connection.send(client.request("/written_without_end?" + key, method))
        same(client.state(key, 1), ["begun"])
        connection.reset()
        same(client.state(key, 2), ["begun", "OSError"])


@case("close() is called where the client leaves between two blocks")
def close_departed_between(client):
    key = unique()
    connection = client.connect()
    connection.send(client.request("/trickle?" + key))
    connection.until(b"x")
    connection.reset()
    is_closed_once(client, key)
