"""The attacks of the siege, by name: what is sent first, and what then, again and again."""

import raw_http2 as h2

OPENING = h2.PREFACE + h2.settings()
NO_WINDOW = h2.PREFACE + h2.settings(initial_window_size=0)
STREAMS = range(1, 512, 2)  # as many as a connection may have
MANY = range(1, 20_001, 2)
RESET = b"\0\0\0\x08"
WAIT = b"\x0a\x04bait\x32\x03\x08\x90\x1c"  # for an hour, for what only the first one gets


class Attack:
    """A flood is to be cut off; a hoard may stay, and holds little. Some do not read."""

    def __init__(self, opening, then=b"", reading=True):
        self.opening, self.then, self.reading = opening, then, reading


FLOODS = {
    "rapid reset": Attack(OPENING, b"".join(
        h2.call(s) + h2.frame(h2.RST_STREAM, 0, s, RESET) for s in MANY)),
    "pings": Attack(OPENING, h2.frame(h2.PING, 0, 0, b"12345678") * 1000),
    "settings": Attack(OPENING, h2.settings(initial_window_size=65535) * 1000),
    "settings, unread": Attack(OPENING, h2.settings(initial_window_size=65535) * 1000, False),
    "window of all streams": Attack(
        NO_WINDOW + b"".join(h2.call(s, path=h2.LIST_POOLS) for s in STREAMS),
        h2.settings(initial_window_size=0) + h2.settings(initial_window_size=1)),
    "empty data": Attack(OPENING + h2.headers(1), h2.frame(h2.DATA, 0, 1) * 1000),
    "window updates": Attack(OPENING, h2.frame(h2.WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * 1000),
    "priorities": Attack(OPENING, b"".join(
        h2.frame(h2.PRIORITY, 0, s, b"\0\0\0\0\x10") for s in MANY)),
    "empty continuations": Attack(OPENING + h2.headers(1, flags=0),
                                  h2.frame(h2.CONTINUATION, 0, 1) * 1000),
    "continuations": Attack(OPENING + h2.headers(1, flags=0), h2.frame(
        h2.CONTINUATION, 0, 1, h2.field("name", "v" * 100)) * 100),
    "a number without end": Attack(OPENING + h2.headers(1, h2.call_headers() + b"\x7f", 0),
                                   h2.frame(h2.CONTINUATION, 0, 1, b"\xff" * 1000) * 100),
    "a string of 1 GiB": Attack(
        OPENING + h2.headers(1, h2.call_headers() + b"\0\x7f\x81\xff\xff\xff\x03", 0),
        h2.frame(h2.CONTINUATION, 0, 1, b"x" * 16_000)),
    "streams without settings": Attack(OPENING, b"".join(h2.headers(s) for s in MANY)),
    "unknown frames": Attack(OPENING, h2.frame(0x77, 0, 0, b"x" * 100) * 1000),
    "goaways": Attack(OPENING, h2.frame(h2.GOAWAY, 0, 0, bytes(8)) * 1000),
    "no http2": Attack(b"GET / HTTP/1.1\r\n\r\n", b"x" * 1000),
}
HOARDS = {
    "silence": Attack(b""),
    "half a preface": Attack(h2.PREFACE[:10]),
    "half-open calls": Attack(OPENING + b"".join(h2.headers(s) for s in STREAMS)),
    "bodies begun": Attack(OPENING, b"".join(
        h2.headers(s) + h2.frame(h2.DATA, 0, s, b"\0\0\x03\xd0\x90" + b"x" * 16_000)
        for s in range(1, 2001, 2))),
    "answers without a window": Attack(
        NO_WINDOW + b"".join(h2.call(s, path=h2.LIST_POOLS) for s in STREAMS), b"", False),
    "answers that nobody reads": Attack(OPENING, b"".join(
        h2.call(s, path="/no/" + "x" * 100) for s in MANY), False),
    "calls that wait": Attack(OPENING + b"".join(h2.call(s, WAIT) for s in STREAMS)),
    "long headers": Attack(OPENING + b"".join(
        h2.headers(s, h2.call_headers() + h2.field("name", "v" * 100) * 100) for s in STREAMS)),
}
EVERYTHING = {**FLOODS, **HOARDS}
