"""The behaviours that ASGI 3 asks of the scope and of the request's content, each by its name."""

from suite import collector, headers, same, unique

CASES = []
case = collector(CASES)


def scope(client, target="/scope", **options):
    response = client.get(target, **options)
    same(response.status, 200)
    return response.json()["scope"]


# --- the scope ------------------------------------------------------------------------------------------------------


@case("type is http, and asgi names version 3.0 and the version of the specification")
def scope_type(client):
    told = scope(client)
    same((told["type"], told["asgi"]["version"]), ("http", "3.0"))
    assert told["asgi"]["spec_version"] >= "2.1", told["asgi"]


@case("http_version is 1.0 or 1.1")
def scope_http_version(client):
    same(scope(client)["http_version"], "1.1")
    same(scope(client, version="1.0")["http_version"], "1.0")


@case("method is in upper case")
def scope_method(client):
    same(scope(client, method="PATCH")["method"], "PATCH")


@case("scheme is http")
def scope_scheme(client):
    same(scope(client)["scheme"], "http")


@case("path is percent-decoded, as UTF-8")
def scope_path(client):
    same(scope(client, "/scope/caf%C3%A9%20%3F")["path"], "/scope/caf\u00e9 ?")


@case("path is str whatever octets were encoded")
def scope_path_octets(client):
    assert scope(client, "/scope/%FF")["path"].startswith("/scope/"), "no path"


@case("raw_path holds the octets of the path, undecoded and without the query")
def scope_raw_path(client):
    same(scope(client, "/scope/caf%C3%A9?a=b")["raw_path"], ["bytes", "/scope/caf%C3%A9"])


@case("query_string is bytes, undecoded; without a query it is empty")
def scope_query(client):
    same(scope(client, "/scope?a=%C3%A9&b=1+2")["query_string"], ["bytes", "a=%C3%A9&b=1+2"])
    same(scope(client)["query_string"], ["bytes", ""])


@case("root_path is empty at the root")
def scope_root_path(client):
    same(scope(client).get("root_path", ""), "")


@case("headers are pairs of bytes, names in lower case")
def scope_headers(client):
    told = scope(client, headers=[("X-Mixed-Case", "Value")])
    assert [["bytes", "x-mixed-case"], ["bytes", "Value"]] in told["headers"], told["headers"]


@case("a header that comes twice is there twice, in order")
def scope_headers_repeated(client):
    told = scope(client, headers=[("X-A", "1"), ("X-A", "2"), ("Cookie", "a=1"), ("Cookie", "b=2")])
    same((headers(told, "x-a"), headers(told, "cookie")), (["1", "2"], ["a=1", "b=2"]))


@case("the value of a header keeps octets beyond ASCII")
def scope_headers_octets(client):
    told = client.raw(b"GET /scope HTTP/1.1\r\nHost: a\r\nX-A: caf\xe9\r\nConnection: close\r\n\r\n").json()["scope"]
    same(headers(told, "x-a"), ["caf\xe9"])


@case("host is among the headers")
def scope_host(client):
    same(headers(scope(client), "host"), ["suite.example:81"])


@case("client and server are pairs of an address and a port")
def scope_addresses(client):
    told = scope(client)
    same(told["client"][0], "127.0.0.1")
    assert isinstance(told["client"][1], int) and told["client"][1] > 0, told["client"]
    same(tuple(told["server"]), client.address)


@case("each request has a context of its own (contextvars)")
def scope_context(client):
    for _ in range(5):
        same(client.get("/variable").body, b"fresh")


# --- the request ----------------------------------------------------------------------------------------------------


@case("content of a declared length arrives whole")
def content_length(client):
    same(client.get("/echo", "POST", body=b"x" * 100_000).body, b"x" * 100_000)


@case("chunked content arrives decoded")
def content_chunked(client):
    body = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"
    same(client.get("/echo", "POST", [("Transfer-Encoding", "chunked")], body).body, b"hello world")


@case("a request without content gives one event, with an empty body and more_body False")
def content_none(client):
    key = unique()
    client.get("/keys?" + key)
    first = client.state(key, 3)[0]
    same((first["type"], first.get("body", ["bytes", ""]), first.get("more_body", False)), ("http.request", ["bytes", ""], False))


@case("after the response receive gives http.disconnect, again and again")
def receive_after_response(client):
    key = unique()
    client.get("/keys?" + key)
    same([event["type"] for event in client.state(key, 3)[1:]], ["http.disconnect"] * 2)


@case("content is handed on as it comes")
def content_streams(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/pieces?" + key, "POST", [("Content-Length", "10")], b"first"))
        same(sum(client.state(key, 1)), 5)
        connection.send(b"other")
        same(connection.response().body, b"all")
    same(sum(client.state(key)), 10)


@case("an application that never reads answers, and the connection serves on or closes cleanly")
def content_unread(client):
    same(client.get("/unread", "POST", body=b"x" * 1000).body, b"not read")


@case("100 (Continue) is sent when the application reads, and not before")
def content_continue(client):
    fields = [("Content-Length", "5"), ("Expect", "100-continue"), ("Connection", "close")]
    with client.connect() as connection:
        connection.send(client.request("/echo", "POST", fields))
        connection.until(b"\r\n\r\n")
        assert connection.rest.startswith(b"HTTP/1.1 100"), connection.rest
        connection.head()
        connection.send(b"hello")
        same(connection.response().body, b"hello")
    with client.connect() as connection:
        connection.send(client.request("/unread", "POST", fields))
        same(connection.head().status, 200)


@case("a client that leaves before its content is there gives http.disconnect")
def content_cut(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/pieces?" + key, "POST", [("Content-Length", "10")], b"first"))
        client.state(key, 1)
        connection.reset()
    # It reads on after the disconnect at most once more, since that has no more_body.
    assert len(client.state(key, 2)) == 2, client.state(key)


@case("request and response may flow at the same time")
def duplex(client):
    with client.connect() as connection:
        connection.send(client.request("/duplex", "POST", [("Transfer-Encoding", "chunked")], b"1\r\na\r\n"))
        connection.until(b"[a]")
        connection.send(b"1\r\nb\r\n0\r\n\r\n")
        connection.until(b"[b]")
