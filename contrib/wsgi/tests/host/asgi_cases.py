"""The behaviours that ASGI 3 asks of responses, of errors, of clients that leave and of the lifespan, each by its name.

Rules of this room: a case is one sentence and one conversation; it fails by AssertionError, with what was seen.
"""

import time

from client import PATIENCE
from suite import collector, same, stands_still, unique

CASES = []
case = collector(CASES)


# --- the response ---------------------------------------------------------------------------------------------------


@case("status and headers arrive; repeated ones in order, octets kept; the list may be any iterable, a pair a list")
def response_headers(client):
    response = client.get("/headers")
    same((response.status, response.body), (200, b"h"))
    same((response.value("x-a"), response.value("x-b"), response.values("set-cookie")), ("1", "caf\xe9", ["a=1", "b=2"]))
    same(response.value("x-upper"), "yes")


@case("any status from 200 to 599 is sent")
def response_status(client):
    for status in (201, 204, 299, 304, 418, 599):
        same(client.get("/status?%d" % status).status, status)


@case("headers, body and more_body may be left out")
def response_defaults(client):
    response = client.get("/bare")
    same((response.status, response.body, response.whole), (200, b"", True))


@case("content that is sent at once has a Content-Length, or is whole by its framing")
def response_whole(client):
    response = client.get("/echo", "POST", body=b"abc")
    same((response.body, response.whole), (b"abc", True))


@case("content in blocks arrives in order")
def response_blocks(client):
    same(client.get("/stream").body, b"".join(b"block %d\n" % number for number in range(5)))


@case("content in blocks reaches a client of HTTP/1.0 without chunks")
def response_blocks_1_0(client):
    response = client.get("/stream", version="1.0")
    same((response.framing in ("close", "length"), response.body.count(b"block")), (True, 5))


@case("a block is sent before the next one is there")
def response_immediate(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/held?" + key))
        connection.until(b"first")
        client.get("/set?" + key)
        connection.until(b"second")


@case("an empty block with more_body sends the head")
def response_head_first(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/head_first?" + key))
        connection.until(b"\r\n\r\n")
        client.get("/set?" + key)
        connection.until(b"content")


@case("the head is held until there is content: a failure before it is a 500")
def response_start_held(client):
    same(client.get("/late").status, 500)


@case("a failure in the middle of the content never looks whole")
def response_broken(client):
    response = client.get("/broken")
    assert not response.whole and response.framing != "close", "it looks whole (%s)" % response.framing


@case("content that the application leaves unfinished never looks whole")
def response_unfinished(client):
    response = client.get("/unfinished")
    assert not response.whole and response.framing != "close", "it looks whole (%s)" % response.framing


@case("HEAD has the head of GET and no content")
def response_head(client):
    for path in ("/stream", "/headers"):
        with client.connect() as connection:
            connection.send(client.request(path, "HEAD") + client.request("/bare", headers=[("Connection", "close")]))
            same(connection.response("HEAD").status, 200)
            same(connection.response().status, 200)


@case("204 and 304 have no content, whatever the application sends")
def response_no_content(client):
    for status in (204, 304):
        with client.connect() as connection:
            connection.send(client.request("/status?%d" % status) + client.request("/bare", headers=[("Connection", "close")]))
            same(connection.response().status, status)
            same(connection.response().status, 200)


@case("Transfer-Encoding of the application is ignored")
def response_hop_by_hop(client):
    response = client.get("/hop")
    same((response.body, response.whole, response.value("x-a")), (b"whole", True, "1"))


@case("more content than declared is not sent, and raises in send")
def response_too_long(client):
    key = "2,3"
    with client.connect() as connection:
        connection.send(client.request("/length?" + key) + client.request("/bare", headers=[("Connection", "close")]))
        response = connection.response()
        assert response.body in (b"xx", b"x", b""), response.body
    assert client.state(key, 1), "nothing was raised"


@case("less content than declared never looks whole")
def response_too_short(client):
    response = client.get("/length?3,2")
    assert response.status == 500 or not response.whole, "it looks whole"


@case("content of the declared length arrives whole")
def response_declared(client):
    response = client.get("/length?3,3")
    same((response.body, response.whole, response.framing), (b"xxx", True, "length"))


@case("bytearray and memoryview are taken for bytes")
def response_buffers(client):
    same(client.get("/bytearrays").body, b"array view")


@case("what comes after the response is ignored or raises, and harms nothing")
def response_twice(client):
    with client.connect() as connection:
        connection.send(client.request("/twice") + client.request("/bare", headers=[("Connection", "close")]))
        same(connection.response().body, b"once")
        same(connection.response().status, 200)


@case("a str as content is refused")
def response_text(client):
    same(client.get("/text").status, 500)


@case("the response ends before the application does: background tasks hold nothing up")
def background(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/background?" + key) + client.request("/bare", headers=[("Connection", "close")]))
        same(connection.response().body, b"done")
        same(connection.response().status, 200)
    client.get("/set?" + key)
    same(client.state(key, 1), ["after the response"])


# --- errors ---------------------------------------------------------------------------------------------------------


@case("an application that raises is answered with 500, and its traceback is in the log")
def raises(client):
    same(client.get("/raises").status, 500)
    client.log_has("on purpose")
    client.log_has("Traceback")


@case("what an application raises after a response that has come whole is in the log")
def raises_afterwards(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/ends_badly?" + key, headers=[("Connection", "close")]))
        same(connection.response().body, b"whole")
        assert not connection.more(), "it goes on"
    client.get("/set?" + key)
    client.log_has("the task of %s failed" % key)


@case("an application that returns without a response is answered with 500")
def silent(client):
    same(client.get("/silent").status, 500)


@case("an application that returns after http.response.start is answered with 500")
def only_start(client):
    same(client.get("/only_start").status, 500)


@case("SystemExit, KeyboardInterrupt and CancelledError are failures of one request")
def exits(client):
    for kind in ("exit", "interrupt", "cancel"):
        same(client.get("/raises?" + kind).status, 500)
    same(client.get("/bare").status, 200)


@case("SystemExit in a task of the application's ends nothing else")
def task_exits(client):
    same(client.get("/task_exits").body, b"still here")
    same(client.get("/bare").status, 200)


@case("an event of another kind raises in send")
def wrong_kind(client):
    assert client.get("/wrong?kind").body != b"nothing was raised", "nothing was raised"


@case("an event without a type raises in send")
def wrong_none(client):
    assert client.get("/wrong?none").body != b"nothing was raised", "nothing was raised"


@case("content before http.response.start raises in send")
def wrong_body_first(client):
    assert client.get("/wrong?body-first").body != b"nothing was raised", "nothing was raised"


@case("headers that are str raise in send, or fail the request")
def wrong_text(client):
    response = client.get("/wrong?text")
    assert response.status == 500 or response.body != b"nothing was raised", "nothing was raised"


@case("a header that would split the head is not sent")
def wrong_split(client):
    response = client.get("/wrong?split")
    assert response.value("x-b") is None and (response.status == 500 or response.body != b"nothing was raised"), response.headers


@case("a status that is no int is refused")
def wrong_status(client):
    response = client.get("/wrong?status")
    assert response.status == 500 or response.body != b"nothing was raised", "nothing was raised"


# --- the client leaves ----------------------------------------------------------------------------------------------


@case("who waits is told http.disconnect when the client leaves")
def disconnect(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/disconnect?" + key))
        same(client.state(key, 1), ["waiting"])
        connection.reset()
    same(client.state(key, 2)[1], "http.disconnect")


@case("send raises an OSError after the client has left (2.4)")
def disconnect_send(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/disconnect?" + key))
        client.state(key, 1)
        connection.reset()
    same(client.state(key, 3)[2], "OSError")


@case("who streams and waits at once is told when the client leaves")
def disconnect_streaming(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/watched?" + key))
        connection.until(b"first")
        connection.reset()
    same(client.state(key, 1), ["left"])


@case("who waits for the client to leave is told when the response is complete")
def disconnect_complete(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/watched?" + key))
        connection.until(b"first")
        client.get("/set?" + key)
        connection.until(b"last")
        same(client.state(key, 2), ["told", "ended"])


@case("an endless response ends when the client leaves")
def disconnect_endless(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/endless?" + key))
        connection.until(b"xxxx")
        connection.reset()
    end = time.monotonic() + PATIENCE
    while "OSError" not in client.state(key):
        assert time.monotonic() < end, "it goes on: %s" % client.state(key)
        time.sleep(0.02)


@case("who waits for the client to leave is told when the response to a HEAD has left")
def disconnect_head(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/watched?" + key, "HEAD"))
        same(connection.response("HEAD").status, 200)
        same(client.state(key, 1), ["left"])


@case("an endless response to a HEAD ends, and holds up nobody meanwhile")
def disconnect_head_endless(client):
    key = unique()
    same(client.get("/restless?" + key, "HEAD").status, 200)
    same(client.get("/bare").status, 200)
    same(client.state(key, 2), ["begun", "OSError"])


@case("a client that does not read holds the application back")
def backpressure(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/endless?" + key))
        connection.until(b"xxxx")
        seen = stands_still(client, key)
        assert seen < 64 * 1024 * 1024, "%d bytes were taken" % seen
        connection.reset()
    client.get("/set?" + key)


# --- the lifespan ---------------------------------------------------------------------------------------------------


@case("what the lifespan puts into its state is in each request's, and each has its own copy")
def lifespan_state(client):
    for _ in range(2):
        same(client.get("/change").json(), [False, ["connected"]])


@case("the lifespan ends with lifespan.shutdown when the server stops", good=False)
def lifespan_shutdown(client):
    code = client.server.stop(PATIENCE)
    assert "the lifespan ended with ['lifespan.startup', 'lifespan.shutdown']" in client.server.log(), "no shutdown (%s)" % code
