"""The behaviours that ASGI 3 asks of a server of WebSockets, each by its name."""

import json
import time

from client import PATIENCE, Incomplete
from suite import collector, headers, same, stands_still, unique
from websocket_client import BINARY, TEXT, WebSocket

CASES = []
case = collector(CASES)


@case("the scope of a WebSocket: type, scheme ws, path, headers, subprotocols, no method")
def websocket_scope(client):
    with WebSocket(client, "/ws_scope/caf%C3%A9?" + unique(), ["a", "b"], [("X-A", "1")]) as socket:
        same(socket.answer.status, 101)
        told = json.loads(socket.text())
    same((told["type"], told["scheme"], told["path"], told["subprotocols"]), ("websocket", "ws", "/ws_scope/caf\u00e9", ["a", "b"]))
    same((headers(told, "x-a"), "method" in told), (["1"], False))


@case("the first event is websocket.connect")
def websocket_connect(client):
    key = unique()
    with WebSocket(client, "/ws_scope?" + key) as socket:
        socket.text()
    same(client.state(key, 1), ["websocket.connect"])


@case("accept chooses a subprotocol and adds headers")
def websocket_accept(client):
    with WebSocket(client, "/ws_echo?" + unique(), ["first", "second"]) as socket:
        same((socket.answer.status, socket.answer.value("sec-websocket-protocol"), socket.answer.value("x-a")), (101, "second", "1"))


@case("accept without a subprotocol answers with none")
def websocket_accept_plain(client):
    with WebSocket(client, "/ws_echo?" + unique()) as socket:
        same((socket.answer.status, socket.answer.value("sec-websocket-protocol")), (101, None))


@case("text is text, and octets are bytes, both ways")
def websocket_messages(client):
    with WebSocket(client, "/ws_echo?" + unique()) as socket:
        socket.send("caf\u00e9")
        same(socket.receive(), (TEXT, "caf\u00e9"))
        socket.send(b"\x00\xff")
        same(socket.receive(), (BINARY, b"\x00\xff"))
        socket.send("")
        same(socket.receive(), (TEXT, ""))


@case("a close of the client's gives websocket.disconnect with its code and reason")
def websocket_client_closes(client):
    key = unique()
    with WebSocket(client, "/ws_echo?" + key) as socket:
        socket.close(4001, "enough")
        same(socket.closed()[0], 4001)
        same(client.state(key, 1)[0], [4001, "enough"])


@case("a client that vanishes gives websocket.disconnect with 1006")
def websocket_client_vanishes(client):
    key = unique()
    with WebSocket(client, "/ws_echo?" + key) as socket:
        socket.send("x")
        socket.text()
        socket.connection.reset()
    same(client.state(key, 1)[0][0], 1006)


@case("send raises an OSError after the WebSocket is closed (2.4)")
def websocket_send_after_close(client):
    key = unique()
    with WebSocket(client, "/ws_echo?" + key) as socket:
        socket.close()
        socket.closed()
        same(client.state(key, 2)[1], "OSError")


@case("close before accept denies with 403")
def websocket_deny(client):
    with WebSocket(client, "/ws_deny?" + unique()) as socket:
        same(socket.answer.status, 403)


@case("a denial may be a response of the application's own (websocket.http.response)")
def websocket_response(client):
    with WebSocket(client, "/ws_response?" + unique()) as socket:
        same((socket.answer.status, socket.answer.body, socket.answer.value("x-why")), (401, b"who are you?", "no user"))


@case("close sends its code and reason, and receive gives websocket.disconnect then")
def websocket_close(client):
    key = unique()
    with WebSocket(client, "/ws_close?" + key) as socket:
        same(socket.closed(), (4321, "because"))
        socket.close(4321)
        same(client.state(key, 1), ["websocket.disconnect"])


@case("an application that returns closes the WebSocket")
def websocket_return(client):
    with WebSocket(client, "/ws_return?" + unique()) as socket:
        same(socket.closed()[0], 1000)


@case("an application that raises closes the WebSocket with 1011")
def websocket_raise(client):
    with WebSocket(client, "/ws_raise?" + unique()) as socket:
        same(socket.closed()[0], 1011)
    client.log_has("on purpose, in a WebSocket")


@case("an application that raises before it accepts is answered with 500")
def websocket_raise_early(client):
    with WebSocket(client, "/ws_raise_early?" + unique()) as socket:
        same(socket.answer.status, 500)


@case("an application that returns before it accepts denies the handshake")
def websocket_unanswered(client):
    with WebSocket(client, "/ws_unanswered?" + unique()) as socket:
        assert socket.answer.status in (403, 500), socket.answer.status


@case("send before accept raises")
def websocket_early(client):
    with WebSocket(client, "/ws_early?" + unique()) as socket:
        same(socket.answer.status, 101)
        assert socket.text().endswith(("Error", "Exception")), "nothing was raised"


@case("one task may receive while another sends")
def websocket_both_ways(client):
    with WebSocket(client, "/ws_push?" + unique()) as socket:
        socket.send("heard")
        seen = [socket.receive()[1] for _ in range(101)]
    same(seen, [b"%d" % number for number in range(100)] + ["heard"])


@case("a client that does not read holds the application back, on a WebSocket as well")
def websocket_backpressure(client):
    key = unique()
    with WebSocket(client, "/ws_flood?" + key) as socket:
        seen = stands_still(client, key)
        assert seen < 64 * 1024 * 1024, "%d bytes were taken" % seen
        socket.connection.reset()
    end = time.monotonic() + PATIENCE
    while "OSError" not in client.state(key):
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.02)


@case("a handshake that is none is served as a request or refused, and never accepted")
def websocket_no_handshake(client):
    fields = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "12"), ("Sec-WebSocket-Key", "x")]
    with client.connect() as connection:
        connection.send(client.request("/ws_echo?" + unique(), headers=fields))
        try:
            assert connection.head().status >= 400, "it was accepted"
        except Incomplete:
            pass