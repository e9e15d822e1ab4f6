"""What PEP 3333 asks of start_response.
"""

from client import Incomplete
from suite import collector, same, unique

CASES = []
case = collector(CASES)


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
