"""A WebSocket client on a raw socket, as small as the cases need it."""

import os
import struct

from client import request

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebSocket:
    """A handshake, and frames once it is answered with 101."""

    def __init__(self, client, target, subprotocols=(), headers=()):
        self.connection = client.connect()
        fields = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        fields += [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), *headers]
        if subprotocols:
            fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
        self.connection.send(request(target, headers=fields))
        self.connection.until(b"\r\n\r\n")
        if self.connection.rest.startswith(b"HTTP/1.1 101"):
            self.answer = self.connection.head()
        else:
            self.answer = self.connection.response("GET")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.__exit__()

    def send(self, payload, opcode=None):
        if opcode is None:
            opcode = TEXT if isinstance(payload, str) else BINARY
        payload = payload.encode() if isinstance(payload, str) else payload
        length = len(payload)
        head = bytes([0x80 | opcode])
        head += bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + struct.pack("!H", length)
        mask = os.urandom(4)
        self.connection.send(head + mask + bytes(octet ^ mask[index % 4] for index, octet in enumerate(payload)))

    def close(self, code=1000, reason=""):
        self.send(struct.pack("!H", code) + reason.encode(), CLOSE)

    def receive(self):
        """The next frame: its opcode, and its content as str for text and (code, reason) for a close."""
        while True:
            opcode, payload = self._frame()
            if opcode == PING:
                self.send(payload, PONG)
            elif opcode == TEXT:
                return opcode, payload.decode()
            elif opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                return opcode, (code, payload[2:].decode())
            else:
                return opcode, payload

    def text(self):
        opcode, payload = self.receive()
        assert opcode == TEXT, "expected text, saw opcode %d: %r" % (opcode, payload)
        return payload

    def closed(self):
        """The code and the reason of the close that comes next."""
        opcode, payload = self.receive()
        assert opcode == CLOSE, "expected a close, saw opcode %d: %r" % (opcode, payload)
        return payload

    def _frame(self):
        first, second = self._take(2)
        assert first & 0x80, "a message in fragments"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        return first & 0x0F, self._take(length)

    def _take(self, length):
        while len(self.connection.rest) < length:
            assert self.connection.more(), "the connection ended within a frame"
        return self.connection.take(length)
