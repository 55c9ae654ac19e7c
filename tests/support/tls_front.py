"""What ends encrypted connections in front of a server, as an ingress does; and certificates."""

import asyncio
import contextlib
import pathlib
import ssl
import subprocess
import threading


class Certificates:
    """An authority, and what it signs, as files NAME.pem and NAME.key of a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._make("ca", ["-subj", "/CN=authority"])

    def sign(self, name):
        self._make(name, ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                          "-CA", "ca.pem", "-CAkey", "ca.key"])

    def _make(self, name, how):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-keyout", f"{name}.key", "-out", f"{name}.pem", *how],
                       cwd=self.folder, check=True, capture_output=True)


class TlsFront:
    """Listens on `address` with the certificate of `name`, asks for one of the same authority, and
    passes on to `target`, HOST:PORT."""

    def __init__(self, target, certificates, name):
        self._target = target.rsplit(":", 1)
        folder = certificates.folder
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH,
                                                   cafile=folder / "ca.pem")
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        self._context.set_alpn_protocols(["h2"])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self.address = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    async def _end():
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _serve(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        await asyncio.gather(self._pass_on(reader, far_writer),
                             self._pass_on(far_reader, writer))

    @staticmethod
    async def _pass_on(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
