"""A TCP proxy between a client and a server: cuts connections, or lets them hang."""

import socket
import threading


class Proxy:
    def __init__(self, target):
        """`target` is HOST:PORT, and may be changed for later connections."""
        self.target = target
        self._pairs = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._flowing.set()
        self.cut()

    def cut(self):
        """Ends all connections that there are."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for end in pair:
                self._shut(end)

    def hang(self):
        """Connections that there are pass nothing on any more; later ones do."""
        with self._lock:
            self._flowing.clear()
            self._flowing = threading.Event()
            self._flowing.set()

    def swallow(self):
        """Nor do later ones: they are accepted, and nobody answers."""
        with self._lock:
            self._flowing.clear()

    @staticmethod
    def _shut(end):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()

    def connect(self):
        """A connection to the target."""
        return socket.create_connection(self.target.rsplit(":", 1), timeout=None)

    def _accept(self):
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            try:
                far = self.connect()
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.add((near, far))
                flowing = self._flowing
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other, flowing),
                                 daemon=True).start()

    def _pass_on(self, one, other, flowing):
        try:
            while data := one.recv(65536):
                if not flowing.is_set():
                    return  # kept open: nobody is told
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            self._shut(end)
