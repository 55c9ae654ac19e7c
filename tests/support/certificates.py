"""Authorities and certificates, made by openssl, and servers and clients that use them."""

import os
import pathlib
import shutil
import socket
import ssl
import subprocess

import grpc


class Certificates:
    """An authority, and what it signs, as files NAME.pem and NAME.key of a folder."""

    def __init__(self, folder, authority="ca"):
        self.folder = pathlib.Path(folder)
        self.authority = authority
        self._openssl("req", "-x509", *self._new_key(authority), "-days", "2",
                      "-subj", "/CN=authority", "-out", f"{authority}.pem")

    def sign(self, name, names=None, subject=None, days=2, key=None):
        """`names` as in "DNS:x,URI:y", "" for none; of `days` below 0 it has expired. With `key`
        it is for the key of that name, else for a new one."""
        names = f"DNS:{name}" if names is None else names
        extension = ["-addext", f"subjectAltName={names}"] if names else []
        if key is not None:
            shutil.copy(self.key(key), self.key(name))
        self._openssl("req", "-new", *(self._new_key(name) if key is None
                                       else ("-key", f"{name}.key")),
                      "-subj", subject or f"/CN={name}", *extension, "-out", f"{name}.csr")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.authority}.pem",
                      "-CAkey", f"{self.authority}.key", "-days", str(days),
                      "-copy_extensions", "copy", "-out", f"{name}.pem")

    def cert(self, name):
        return self.folder / f"{name}.pem"

    def key(self, name):
        return self.folder / f"{name}.key"

    @property
    def ca(self):
        return self.cert(self.authority)

    def put(self, name, target):
        """Has the files of `target` hold what those of `name` do, one after the other."""
        for path in (self.cert, self.key):
            fresh = path(target).with_suffix(".new")
            shutil.copy(path(name), fresh)
            os.replace(fresh, path(target))

    def flags(self, name, client_ca=False, required=True):
        """Of a server with the certificate of `name`."""
        flags = [f"--tls_cert={self.cert(name)}", f"--tls_key={self.key(name)}"]
        if client_ca:
            flags.append(f"--tls_client_ca={self.ca}")
        return flags if required else [*flags, "--tls_client_cert_required=false"]

    def credentials(self, client=None, ca=None):
        """gRPC's, of a client that shows the certificate of `client`."""
        shown = [] if client is None else [path(client).read_bytes()
                                           for path in (self.key, self.cert)]
        return grpc.ssl_channel_credentials((ca or self.ca).read_bytes(), *shown)

    def context(self, client=None):
        """Python's, likewise."""
        context = ssl.create_default_context(cafile=self.ca)
        context.check_hostname = False
        context.set_alpn_protocols(["h2"])
        if client is not None:
            context.load_cert_chain(self.cert(client), self.key(client))
        return context

    @staticmethod
    def _new_key(name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


def connect(address, context, deadline_s=60):
    """A socket after a handshake, whose certificates need not be of the host."""
    host, port = address.rsplit(":", 1)
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=deadline_s))
