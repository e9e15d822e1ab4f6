"""What PEP 3333 asks of wsgi.input.
"""

from suite import collector, same, unique

CASES = []
case = collector(CASES)


def sent(client, path, body=b"one\ntwo\nthree"):
    response = client.get(path, method="POST", body=body)
    same(response.status, 200)
    return response.json()


@case("read(size) gives the content")
def input_read(client):
    same(sent(client, "/read"), "one\ntwo\nthree")


@case("read() without a size gives all of the content", good=False)
def input_read_all(client):
    same(sent(client, "/read_all"), "one\ntwo\nthree")


@case("read(-1) gives all of the content")
def input_read_minus(client):
    same(sent(client, "/read_minus"), "one\ntwo\nthree")


@case("read(size) gives parts in order, what is left, and then nothing")
def input_read_parts(client):
    same(sent(client, "/read_parts"), ["", "one", "\ntwo", "\nthree", ""])


@case("without content a read gives nothing, and does not wait")
def input_none(client):
    with client.connect() as connection:
        connection.send(client.request("/read_minus"))
        same(connection.response().json(), "")


@case("readline() gives lines with their ends, the last one as it is, and then nothing")
def input_readline(client):
    same(sent(client, "/readline"), ["one\n", "two\n", "three", ""])


@case("readline(size) gives no more than size")
def input_readline_size(client):
    same(sent(client, "/readline_size"), ["on", "e\n", "two"])


@case("readlines() gives all lines")
def input_readlines(client):
    same(sent(client, "/readlines"), ["one\n", "two\n", "three"])


@case("readlines(hint) gives whole lines")
def input_readlines_hint(client):
    lines = sent(client, "/readlines_hint")
    assert lines in (["one\n", "two\n"], ["one\n", "two\n", "three"]), lines


@case("the input is iterated by lines")
def input_iteration(client):
    same(sent(client, "/lines"), ["one\n", "two\n", "three"])


@case("readline() and read() go on where the other has stopped")
def input_mixed(client):
    same(sent(client, "/mixed"), ["one\n", "tw", "o\nthree"])


@case("content that comes slowly is waited for")
def input_slow(client):
    with client.connect() as connection:
        connection.send(client.request("/read", "POST", [("Content-Length", "6")]) + b"ab")
        connection.send(b"cd")
        import time

        time.sleep(0.05)  # the point is that it comes later; how much later does not matter
        connection.send(b"ef")
        same(connection.response().json(), "abcdef")


@case("a read never takes from the next request")
def input_ends(client):
    with client.connect() as connection:
        connection.send(client.request("/read_minus", "POST", body=b"first") + client.request("/read_minus", "POST", body=b"second"))
        same(connection.response().json(), "first")
        same(connection.response().json(), "second")


@case("large content comes whole")
def input_large(client):
    same(sent(client, "/count", b"x" * 1_500_000), 1_500_000)


CHUNKED = [("Transfer-Encoding", "chunked")]


@case("chunked content is decoded, and has an end")
def input_chunked(client):
    body = b"4\r\none\n\r\n6\r\ntwo\nth\r\n3\r\nree\r\n0\r\n\r\n"
    same(client.get("/count", method="POST", headers=CHUNKED, body=body).json(), 13)


@case("of chunked content an application knows the end: by CONTENT_LENGTH or wsgi.input_terminated")
def input_chunked_end(client):
    response = client.get("/environ", method="POST", headers=CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n").json()
    length = response["strings"].get("CONTENT_LENGTH", ["", ""])[1]
    assert length == "3" or response["terminated"], "neither"


@case("an application that goes by CONTENT_LENGTH gets chunked content")
def input_chunked_length(client):
    same(client.get("/read", method="POST", headers=CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n").json(), "abc")


@case("content that was not read does not become the next request")
def input_unread(client):
    with client.connect() as connection:
        connection.send(client.request("/unread", "POST", body=b"GET /spoil HTTP/1.1\r\nHost: x\r\n\r\n"))
        first = connection.response()
        same(first.json(), "not read")
        if (first.value("Connection") or "").lower() == "close":
            return
        connection.send(client.request("/read", "POST", body=b"next"))
        same(connection.response().json(), "next")


@case("100 (Continue) is sent to who waits for it")
def input_continue(client):
    with client.connect() as connection:
        connection.send(client.request("/read", "POST", [("Expect", "100-continue"), ("Content-Length", "4")]))
        same(connection.head().status, 100)
        connection.send(b"body")
        same(connection.response().json(), "body")


@case("100 (Continue) is not sent where the content is not read")
def input_no_continue(client):
    with client.connect() as connection:
        connection.send(client.request("/unread", "POST", [("Expect", "100-continue"), ("Content-Length", "4")]))
        same(connection.head().status, 200)


@case("wsgi.errors takes text, and the server's log has it")
def errors(client):
    key = unique()
    same(client.get("/complain?" + key).json(), "complained")
    client.log_has("mark-write-" + key)
    client.log_has("mark-lines-" + key)
