"""The behaviours that PEP 3333 asks of a server, each by its name.

Rules of this room: a case is one sentence and one conversation; it fails by AssertionError, with what was seen; `good` cases talk to
applications that keep PEP 3333, and hold with wsgiref.validate in between.
"""

import uuid

from client import Incomplete

CASES = []


def case(sentence, good=True):
    def add(function):
        function.name = function.__name__.replace("_", "-")
        function.sentence, function.good = sentence, good
        CASES.append(function)
        return function

    return add


def same(seen, expected):
    assert seen == expected, "expected %.200s, saw %.200s" % (repr(expected), repr(seen))


def unique():
    return uuid.uuid4().hex[:12]


# --- environ --------------------------------------------------------------------------------------------------------


@case("REQUEST_METHOD is the method")
def request_method(client):
    for method in ("GET", "DELETE", "OPTIONS"):
        same(client.environ(method=method)[0]["REQUEST_METHOD"], method)


@case("PATH_INFO is the path")
def path_info(client):
    same(client.environ("/environ/a/b")[0]["PATH_INFO"], "/environ/a/b")


@case("PATH_INFO is percent-decoded")
def path_info_decoded(client):
    same(client.environ("/environ/a%20b%2Fc%3Fd")[0]["PATH_INFO"], "/environ/a b/c?d")


@case("PATH_INFO holds the decoded octets as Latin-1")
def path_info_latin_1(client):
    same(client.environ("/environ/caf%C3%A9")[0]["PATH_INFO"], "/environ/caf\xc3\xa9")


@case("SCRIPT_NAME is empty at the root")
def script_name(client):
    same(client.environ()[0].get("SCRIPT_NAME", ""), "")


@case("QUERY_STRING is what stands behind the first question mark, undecoded")
def query_string(client):
    same(client.environ("/environ?a=%20b+c&d?e")[0]["QUERY_STRING"], "a=%20b+c&d?e")


@case("QUERY_STRING is empty or absent without a question mark")
def query_string_empty(client):
    same(client.environ()[0].get("QUERY_STRING", ""), "")


@case("CONTENT_TYPE is the field, and there is no HTTP_CONTENT_TYPE")
def content_type(client):
    told, _ = client.environ(method="POST", headers=[("Content-Type", "text/x; a=b")], body=b"x")
    same(told["CONTENT_TYPE"], "text/x; a=b")
    assert "HTTP_CONTENT_TYPE" not in told


@case("CONTENT_LENGTH is the field, and there is no HTTP_CONTENT_LENGTH")
def content_length(client):
    told, _ = client.environ(method="POST", body=b"12345")
    same(told["CONTENT_LENGTH"], "5")
    assert "HTTP_CONTENT_LENGTH" not in told


@case("CONTENT_LENGTH is empty, 0 or absent without content")
def content_length_absent(client):
    assert client.environ()[0].get("CONTENT_LENGTH", "") in ("", "0")


@case("SERVER_NAME is a string that is not empty")
def server_name(client):
    assert client.environ()[0]["SERVER_NAME"]


@case("SERVER_PORT is a string of digits")
def server_port(client):
    assert client.environ()[0]["SERVER_PORT"].isdigit()


@case("SERVER_PROTOCOL is the version of the request")
def server_protocol(client):
    same(client.environ()[0]["SERVER_PROTOCOL"], "HTTP/1.1")


@case("SERVER_PROTOCOL is HTTP/1.0 for a request of that version")
def server_protocol_1_0(client):
    same(client.environ(version="1.0")[0]["SERVER_PROTOCOL"], "HTTP/1.0")


@case("a header is HTTP_ and its name in upper case with underscores")
def header(client):
    same(client.environ(headers=[("x-Custom-Name", "value")])[0]["HTTP_X_CUSTOM_NAME"], "value")


@case("an empty header is an empty string")
def header_empty(client):
    same(client.environ(headers=[("X-Empty", "")])[0]["HTTP_X_EMPTY"], "")


@case("white space around a header's value is none of it")
def header_white_space(client):
    same(client.environ(headers=[("X-Space", "  a b \t")])[0]["HTTP_X_SPACE"], "a b")


@case("a header's octets are Latin-1")
def header_latin_1(client):
    same(client.environ(headers=[("X-Latin", "caf\xe9")])[0]["HTTP_X_LATIN"], "caf\xe9")


@case("repeated headers are joined with commas, in their order")
def header_repeated(client):
    told, _ = client.environ(headers=[("X-Twice", "a"), ("X-Other", "o"), ("X-Twice", "b")])
    same(told["HTTP_X_TWICE"].replace(", ", ","), "a,b")


@case("repeated Cookie headers are joined with a semicolon")
def header_cookies(client):
    same(client.environ(headers=[("Cookie", "a=1"), ("Cookie", "b=2")])[0]["HTTP_COOKIE"], "a=1; b=2")


@case("a header Proxy does not become HTTP_PROXY, which is a variable of the process")
def header_proxy(client):
    assert "HTTP_PROXY" not in client.environ(headers=[("Proxy", "http://evil.example")])[0]


@case("a header with an underscore cannot pass for another")
def header_underscore(client):
    with client.connect() as connection:
        connection.send(client.request("/environ", headers=[("X_Forwarded_For", "1.2.3.4"), ("Connection", "close")]))
        response = connection.response()
    assert response.status == 400 or "HTTP_X_FORWARDED_FOR" not in response.json()["strings"], "it did"


@case("HTTP_HOST is the Host")
def host(client):
    same(client.environ()[0]["HTTP_HOST"], "suite.example:81")


@case("a target in absolute form gives path and host")
def absolute_form(client):
    told, _ = client.environ("http://other.example:82/environ/x?y")
    same((told["PATH_INFO"], told["QUERY_STRING"], told["HTTP_HOST"]), ("/environ/x", "y", "other.example:82"))


@case("the URL can be reconstructed as PEP 3333 shows")
def url(client):
    same(client.environ("/environ/a%20b?c=d")[1]["url"], "http://suite.example:81/environ/a%20b?c=d")


@case("REMOTE_ADDR is the client's address")
def remote_addr(client):
    same(client.environ()[0]["REMOTE_ADDR"], "127.0.0.1")


@case("variables of the process do not pass for headers")
def process_variables(client):
    # The suite starts each server with HTTP_X_OF_THE_PROCESS in its environment.
    assert "HTTP_X_OF_THE_PROCESS" not in client.environ()[0]


@case("the environ is a dict itself, and not one of a class of its own")
def environ_is_a_dict(client):
    same(client.environ()[1]["exact"], True)


@case("what an application changes in its environ no other request sees")
def environ_is_fresh(client):
    with client.connect() as connection:
        for _ in range(3):
            connection.send(client.request("/spoil"))
            same(connection.response().json(), "no")


@case("CGI's variables are str itself")
def strings_are_native(client):
    told, types = client.environ(headers=[("X-A", "b")])
    wrong = {name: kind for name, (kind, _) in types["strings"].items() if kind != "str"}
    same(wrong, {})


@case("no character of a variable is beyond U+00FF")
def strings_are_latin_1(client):
    told, _ = client.environ("/environ/%E2%82%AC", headers=[("X-A", "\xff")])
    wrong = {name for name, value in told.items() if any(ord(char) > 255 for char in value)}
    same(wrong, set())


@case("wsgi.version is the tuple (1, 0)")
def wsgi_version(client):
    told = client.environ()[1]
    same((told["version"], told["version_type"]), ([1, 0], "tuple"))


@case("wsgi.url_scheme is http")
def wsgi_url_scheme(client):
    same(client.environ()[0]["wsgi.url_scheme"], "http")


@case("wsgi.multithread is true where two calls run at the same time")
def wsgi_multithread(client):
    key = unique()
    with client.connect() as one, client.connect() as two:
        one.send(client.request("/together?" + key))
        two.send(client.request("/together?" + key))
        both = one.response().json() and two.response().json()
    told = client.environ()[1]
    same((both, told["multithread"]), (True, True))


@case("wsgi.multiprocess is false for one process")
def wsgi_multiprocess(client):
    same(client.environ()[1]["multiprocess"], False)


@case("wsgi.run_once is false")
def wsgi_run_once(client):
    same(client.environ()[1]["run_once"], False)


@case("a context variable of one request is not seen by the next on the same thread")
def context_variables(client):
    with client.connect() as connection:
        for _ in range(20):
            connection.send(client.request("/context"))
            same(connection.response().json(), "fresh")


# --- wsgi.input -----------------------------------------------------------------------------------------------------


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


# --- start_response -------------------------------------------------------------------------------------------------


@case("start_response gives a write callable, and the blocks come in order")
def write(client):
    same(client.get("/write").body, b"one two three")


@case("what was written is sent before the application goes on")
def write_at_once(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/write_now?" + key))
        connection.until(b"now")
        client.get("/release?" + key)
        same(connection.response().body, b"now later")


@case("write() refuses text", good=False)
def write_text(client):
    key = unique()
    client.get("/write_string?" + key)
    assert client.state("write " + key), "it was taken"


@case("write() beyond the declared length raises", good=False)
def write_too_many(client):
    key = unique()
    with client.connect() as connection:
        connection.send(client.request("/write_too_many?" + key))
        same(connection.response().body, b"four")
    assert client.state("write " + key), "it did not"


@case("status and reason are sent as they were given")
def reason(client):
    response = client.get("/reason")
    same((response.status, response.reason), (299, "Rather Fine"))


@case("repeated headers are sent in their order")
def headers_repeated(client):
    same(client.get("/cookies").values("Set-Cookie"), ["a=1", "b=2"])


@case("a header's Latin-1 is sent as octets")
def headers_latin_1(client):
    same(client.get("/latin").value("X-Latin"), "caf\xe9")


@case("Date is sent once")
def headers_date(client):
    same(len(client.get("/one").values("Date")), 1)


@case("the application's own Date and Server are sent once")
def headers_own_date(client):
    response = client.get("/own_date")
    same((len(response.values("Date")), len(response.values("Server"))), (1, 1))


@case("a second start_response without exc_info raises", good=False)
def start_twice(client):
    same(client.get("/twice").body, b"refused")


@case("with exc_info the head is replaced while nothing was sent")
def start_replaced(client):
    response = client.get("/replaced")
    same((response.status, response.value("X-First"), response.value("X-Second")), (503, None, "2"))
    same(response.body, b"sorry")


@case("an empty block sends no head: exc_info replaces it after one")
def start_replaced_late(client):
    same(client.get("/replaced_late").status, 503)


@case("with exc_info the exception is raised again once the head was sent")
def start_reraised(client):
    key = unique()
    same(client.get("/reraised?" + key).status, 200)
    same(client.state("reraised " + key), ["mine"])


@case("start_response in the first step of a generator is in time")
def start_lazy(client):
    response = client.get("/lazy")
    same((response.status, response.value("X-Lazy"), response.body), (202, "1", b"lazy"))


@case("start_response after an empty first block is in time", good=False)
def start_lazier(client):
    same(client.get("/lazier").status, 202)


@case("content without start_response is an error of the application", good=False)
def start_missing(client):
    same(client.get("/silent").status, 500)


def is_refused(client, path):
    key = unique()
    try:
        response = client.get(path + "?" + key)
    except Incomplete:
        response = None
    assert response is None or response.status >= 500 or client.state("refused " + key), (
        "it was taken: %d %s %r" % (response.status, response.reason, response.headers)
    )
    return response


@case("a hop-by-hop header is refused", good=False)
def start_hop_by_hop(client):
    is_refused(client, "/hop_by_hop")


@case("a Connection header is refused", good=False)
def start_connection(client):
    is_refused(client, "/connection_field")


@case("a line break in a header's value is refused", good=False)
def start_split(client):
    response = is_refused(client, "/split")
    assert response is None or response.value("X-Injected") is None, "a header was injected"


@case("a line break in the status is refused", good=False)
def start_split_status(client):
    response = is_refused(client, "/split_status")
    assert response is None or response.value("X-Injected") is None, "a header was injected"


@case("a status of bytes is refused", good=False)
def start_status_bytes(client):
    is_refused(client, "/status_bytes")


@case("a status without a number is refused", good=False)
def start_status_words(client):
    is_refused(client, "/status_words")


@case("a header's value that is no str is refused", good=False)
def start_value_number(client):
    is_refused(client, "/value_number")


@case("a character beyond Latin-1 in a header is refused, and not dropped", good=False)
def start_euro(client):
    is_refused(client, "/euro")


@case("a header's name that is no token is refused", good=False)
def start_bad_name(client):
    is_refused(client, "/bad_name")


# --- the iterable ---------------------------------------------------------------------------------------------------


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


# --- close() --------------------------------------------------------------------------------------------------------


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


@case("close() is called where the client leaves between two blocks")
def close_departed_between(client):
    key = unique()
    connection = client.connect()
    connection.send(client.request("/trickle?" + key))
    connection.until(b"x")
    connection.reset()
    is_closed_once(client, key)


# --- methods and statuses without content ---------------------------------------------------------------------------


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


# --- wsgi.file_wrapper ----------------------------------------------------------------------------------------------


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


# --- the connection -------------------------------------------------------------------------------------------------


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
