"""HTTP/2 by hand: frames as bytes, and a client that sends whatever it is told."""

import select
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS = 4
PADDED = 8

ENHANCE_YOUR_CALM = 11

LEASE = "/objpool.v1.LeaseService/Lease"
LIST_POOLS = "/objpool.v1.PoolService/ListPools"
SESSION = "/objpool.v1.LeaseService/Session"


def frame(kind, flags=0, stream=0, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


def field(name, value):
    """A header field, literal and not indexed; both shorter than 127 bytes."""
    name, value = name.encode(), value.encode()
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call_headers(path=LEASE, **more):
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x",
              "te": "trailers", "content-type": "application/grpc"}
    fields.update({name.replace("_", "-"): value for name, value in more.items()})
    return b"".join(field(name, value) for name, value in fields.items())


def headers(stream, block=None, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, call_headers() if block is None else block)


def message(text=b""):
    return b"\0" + len(text).to_bytes(4, "big") + text


def call(stream, request=b"", path=LEASE):
    """A whole unary call."""
    return (headers(stream, call_headers(path))
            + frame(DATA, END_STREAM, stream, message(request)))


def settings(**values):
    ids = {"header_table_size": 1, "initial_window_size": 4, "max_frame_size": 5}
    payload = b"".join(struct.pack(">HI", ids[name], value) for name, value in values.items())
    return frame(SETTINGS, 0, 0, payload)


class Raw:
    """A connection on which only what it is told is sent."""

    def __init__(self, address, opening=PREFACE + settings(), deadline_s=60, source=""):
        kind, rest = address.rsplit(":", 1)
        unix = kind == "unix"
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.deadline_s = deadline_s
        self.socket.settimeout(deadline_s)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(rest if unix else (kind, int(rest)))
        self.received = b""
        self.gone = False
        if opening:
            self.send(opening)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the server has closed the connection."""
        self.socket.settimeout(self.deadline_s)
        try:
            self.socket.sendall(data)
        except OSError:
            self.gone = True
        return not self.gone

    def flood(self, data, deadline_s, reading=True):
        """Sends it again and again. The seconds until the server closed, or None."""
        begin = time.monotonic()
        self.socket.setblocking(False)
        data = memoryview(data)
        sent = 0
        while time.monotonic() < begin + deadline_s:
            readable, writable, _ = select.select([self.socket], [self.socket], [], 0.1)
            try:
                if writable:
                    sent += self.socket.send(data[sent % len(data):])
                if readable and reading and not self._receive():
                    return time.monotonic() - begin
            except OSError:
                self.gone = True
                return time.monotonic() - begin
        return None

    def _receive(self):
        data = self.socket.recv(65536)
        self.received += data
        self.gone = self.gone or not data
        return bool(data)

    def read_until(self, condition, deadline_s=60):
        """Reads until condition(frames) or the end; whether it was the condition."""
        end = time.monotonic() + deadline_s
        self.socket.setblocking(False)
        while not condition(self.frames()):
            readable, _, _ = select.select([self.socket], [], [],
                                           max(0, end - time.monotonic()))
            if not readable:
                raise AssertionError(f"neither an answer nor an end within {deadline_s} s")
            try:
                if not self._receive():
                    return condition(self.frames())
            except OSError:
                self.gone = True
                return condition(self.frames())
        return True

    def read_to_end(self, deadline_s=60):
        """The seconds until the server closed."""
        begin = time.monotonic()
        self.read_until(lambda _: self.gone, deadline_s)
        return time.monotonic() - begin

    def settled(self):
        """Whether the server's SETTINGS have come, as far as can be read at once."""
        self.socket.setblocking(False)
        try:
            while self._receive():
                pass
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True
        return any(kind == SETTINGS for kind, *_ in self.frames())

    def frames(self):
        """All whole frames so far: (kind, flags, stream, payload)."""
        result, at = [], 0
        while at + 9 <= len(self.received):
            size = int.from_bytes(self.received[at:at + 3], "big")
            if at + 9 + size > len(self.received):
                break
            kind, flags = self.received[at + 3], self.received[at + 4]
            stream = int.from_bytes(self.received[at + 5:at + 9], "big")
            result.append((kind, flags, stream, self.received[at + 9:at + 9 + size]))
            at += 9 + size
        return result

    def goaways(self):
        """(last stream, error, text) of each."""
        return [(int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big"),
                 payload[8:].decode()) for kind, _, _, payload in self.frames() if kind == GOAWAY]

    def goaway_error(self):
        """Of the last GOAWAY; None where there was none."""
        return self.goaways()[-1][1] if self.goaways() else None
