"""Encrypted calls to objpoold: who is served, who is not, and by which name clients are known."""

import os
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest

import grpc
import raw_http2 as h2
from certificates import Certificates, connect
from objpool_testing import BIN_DIR, DEADLINE_S, ENGINE, Api, Server, refused, wait_until

CONFIG = 'pools { name: "ids" ids { count: 100 } quota_per_identity { handles: 2 } }'
H2 = ENGINE == "h2"


class TlsServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.certificates = certificates = Certificates(cls.folder)
        certificates.sign("server.test")
        certificates.sign("client")
        certificates.sign("expired", days=-1)
        cls.stranger = Certificates(cls.folder, "other-ca")
        cls.stranger.sign("stranger")

    def start(self, client_ca=False, required=True, name="server.test"):
        return self.enterContext(Server(
            CONFIG, self.certificates.flags(name, client_ca, required),
            credentials=self.certificates.credentials()))

    def api(self, server, client=None, ca=None):
        return self.enterContext(Api(server, credentials=self.certificates.credentials(client, ca)))

    def assert_not_served(self, api):
        with self.assertRaises(grpc.RpcError) as caught:
            api.get_pool("ids")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def assert_counted(self, server, reason, count=1):
        """Of handshakes that came to nothing, which engine grpc does not see."""
        if H2:
            wait_until(lambda: server.metrics().sum("objpool_tls_handshake_failures_total",
                                                    reason=reason) >= count, reason)

    def assert_identity(self, api, identity):
        with refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED") as refusal:
            api.lease("ids", count=3, min_count=3)
        self.assertEqual(list(refusal[0].quotas), [f"pools/ids/identities/{identity}"])

    def test_a_client_that_trusts_the_authority_is_served(self):
        server = self.start()
        with Api(server) as api:
            api.give_back("ids", api.lease("ids").grants[0].ref)
            self.assert_identity(api, "127.0.0.1")
        self.assertIn("(TLS)", server.log())
        self.assert_not_served(self.api(server, ca=self.stranger.ca))
        with self.assertRaises(ssl.SSLCertVerificationError):
            connect(server.address, self.stranger.context())
        self.assert_counted(server, "refused")
        # It is not asked for a certificate.
        self.assert_identity(self.api(server, "client"), "127.0.0.1")

    def test_certificates_of_clients_are_required(self):
        server = self.start(client_ca=True)
        self.api(server, "client").get_pool("ids")
        self.assert_not_served(self.api(server))
        self.assert_counted(server, "no_certificate")
        self.assert_not_served(self.api(server, "stranger"))
        self.assert_counted(server, "bad_certificate")
        self.assert_not_served(self.api(server, "expired"))
        self.assert_counted(server, "bad_certificate", 2)

    def test_certificates_of_clients_are_welcome(self):
        server = self.start(client_ca=True, required=False)
        self.assert_identity(self.api(server, "client"), "dns:client")
        self.assert_identity(self.api(server), "127.0.0.1")
        self.assert_not_served(self.api(server, "stranger"))
        self.assert_not_served(self.api(server, "expired"))

    def test_quotas_go_by_what_the_certificate_says(self):
        sign = self.certificates.sign
        sign("spiffe", "DNS:b,URI:https://x/y,URI:spiffe://test/ns/a,URI:spiffe://test/ns/b")
        sign("dns", "URI:https://x/y,DNS:one.test,DNS:two.test", "/CN=three")
        sign("common", "", "/O=org/CN=a person")
        sign("common2", "IP:127.0.0.1", "/O=org/CN=a person")
        sign("foreign", "", "/O=org/CN=\u00e9")
        sign("long", "URI:spiffe://test/" + 2040 * "x" + ",DNS:short", "/CN=x")
        server = self.start(client_ca=True)
        for client, identity in (("spiffe", "spiffe://test/ns/a"), ("dns", "dns:one.test"),
                                 ("common", "cn:a person"), ("foreign", "unnamed"),
                                 ("long", "dns:short")):
            with self.subTest(client=client):
                api = self.api(server, client)
                self.assert_identity(api, identity)
                api.lease("ids", count=2, min_count=2)
                with refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"):
                    api.lease("ids")
        # Another certificate of the same name shares what is left: nothing.
        with refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"):
            self.api(server, "common2").lease("ids")

    def test_who_does_not_speak_so_is_refused_and_others_are_served(self):
        server = self.start()
        silent, other = self.certificates.context(), self.certificates.context()
        silent = ssl.create_default_context(cafile=self.certificates.ca)
        silent.check_hostname = False
        other.set_alpn_protocols(["http/1.1"])
        for context in (silent, other):
            self.refused_by_alpn(server, context)
        self.assert_counted(server, "alpn", 2)
        old = self.certificates.context()
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises(OSError) as caught:
            connect(server.address, old)
        # Engine grpc only closes.
        self.assertRegex(str(caught.exception).upper(),
                         "PROTOCOL_VERSION" if H2 else "PROTOCOL_VERSION|EOF|RESET")
        self.assert_counted(server, "version")
        with grpc.insecure_channel(server.address) as channel, \
                self.assertRaises(grpc.RpcError) as caught:
            channel.unary_unary(h2.LIST_POOLS)(b"", timeout=DEADLINE_S)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        for first in (h2.PREFACE + h2.settings(), b"GET / HTTP/1.1\r\n\r\n"):
            with h2.Raw(server.address, first) as raw:
                raw.read_to_end()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.certificates.context()
            context.minimum_version = context.maximum_version = version
            with connect(server.address, context) as secure:
                self.assertEqual(secure.selected_alpn_protocol(), "h2")
                self.assertIn("GCM", secure.cipher()[0])
        with Api(server) as api:
            api.get_pool("ids")
        if H2:
            failures = server.metrics()
            self.assertGreaterEqual(failures.sum("objpool_tls_handshake_failures_total",
                                                 reason="plaintext"), 3)
            self.assertGreaterEqual(failures.sum("objpool_tls_handshakes_total"), 3)

    def refused_by_alpn(self, server, context):
        """Engine grpc completes the handshake, and closes then."""
        try:
            with connect(server.address, context) as secure:
                self.assertFalse(H2)
                self.assertNotEqual(secure.selected_alpn_protocol(), "h2")
                while secure.recv(4096):
                    pass
        except ssl.SSLError as error:
            self.assertRegex(str(error).upper(), "NO.APPLICATION.PROTOCOL|EOF")
        except ConnectionResetError:
            self.assertFalse(H2)

    def test_a_hello_that_is_asked_for_again_and_one_in_pieces(self):
        server = self.start()
        context = self.certificates.context()
        # In its first hello the client guesses a group that is not spoken.
        done = subprocess.run(
            ["openssl", "s_client", "-connect", server.address, "-alpn", "h2", "-groups",
             "ffdhe2048:P-256", "-CAfile", self.certificates.ca, "-verify_return_error", "-brief"],
            input=b"", capture_output=True, check=False, timeout=DEADLINE_S)
        self.assertIn(b"CONNECTION ESTABLISHED", done.stderr)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing)
        host, port = server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), DEADLINE_S) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        raw.send(bytes([byte]))
                    incoming.write(raw.recv(4096))
            raw.sendall(outgoing.read())
            client.write(h2.PREFACE + h2.settings() + h2.call(1, path=h2.LIST_POOLS))
            for byte in outgoing.read():
                raw.send(bytes([byte]))
            plain = b""
            while b"grpc-status" not in plain and len(plain) < 100:
                incoming.write(raw.recv(4096))
                try:
                    plain += client.read(65536)
                except ssl.SSLWantReadError:
                    pass

    def test_much_and_little_is_carried(self):
        config = 'pools { name: "memory" buffers { count: 2 size_bytes: 4194304 } }'
        with Server(config, self.certificates.flags("server.test"),
                    credentials=self.certificates.credentials()) as server, Api(server) as api:
            (grant,) = api.lease("memory").grants
            data = os.urandom(4 << 20)
            api.write("memory", grant.ref, data)
            self.assertEqual(api.read_all("memory", grant.ref, length=len(data)), data)

    def test_bad_files_refuse_the_start(self):
        certificates = self.certificates
        text = certificates.folder / "text"
        text.write_text("hello")
        certificates.sign("locked")
        subprocess.run(["openssl", "ec", "-aes128", "-passout", "pass:word", "-in",
                        certificates.key("client"), "-out", certificates.key("locked")],
                       check=True, capture_output=True)
        good = {"tls_cert": certificates.cert("server.test"),
                "tls_key": certificates.key("server.test"), "tls_client_ca": certificates.ca}
        for change, words in (
                ({"tls_cert": "/no/such"}, ("tls.cert_file: /no/such: ", "No such file")),
                ({"tls_cert": self.folder}, (f"tls.cert_file: {self.folder}: ", "Is a directory")),
                ({"tls_cert": text}, (f"tls.cert_file: {text}: ", "no start line")),
                ({"tls_cert": certificates.cert("expired"), "tls_key": certificates.key("expired")},
                 ("tls.cert_file: ", "expired.pem: has expired, on 20")),
                ({"tls_key": text}, (f"tls.key_file: {text}: ", "has no key in PEM")),
                ({"tls_key": certificates.key("locked")}, ("tls.key_file: ", "not encrypted")),
                ({"tls_key": certificates.key("client")},
                 ("tls.key_file: ", "client.key: is not the key of", "key values mismatch")),
                ({"tls_client_ca": text}, ("tls.client_ca_file: ", "no start line"))):
            with self.subTest(change=change), self.assertRaises(AssertionError) as caught:
                flags = [f"--{key}={value}" for key, value in {**good, **change}.items()]
                Server(CONFIG, flags)
            said = str(caught.exception)
            self.assertIn("ended with 1: objpoold: ", said)
            for word in words:
                self.assertIn(word, said)

    def test_a_probe_of_a_server_that_wants_certificates(self):
        server = self.start(client_ca=True)
        tls = ["--tls-ca", self.certificates.ca, "--tls-name", "server.test"]
        shown = ["--tls-cert", self.certificates.cert("client"),
                 "--tls-key", self.certificates.key("client")]
        for options, code in (([*tls, *shown], 0), (tls, 5), ([], 5)):
            done = subprocess.run(
                [BIN_DIR / "objpoolctl", "--server", server.address, *options, "--timeout", "5s",
                 "probe"], check=False, capture_output=True, text=True, timeout=DEADLINE_S)
            self.assertEqual(done.returncode, code, done.stderr)

    def test_it_stops_while_somebody_has_not_finished_a_handshake(self):
        server = self.start()
        with h2.Raw(server.address, b"\x16\x03\x01"), h2.Raw(server.address, b""), \
                Api(server) as api:
            api.get_pool("ids")
            self.assertEqual(server.stop(), 0)

    def test_a_hang_up_ends_nobody(self):
        with Server(CONFIG) as server:
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "nothing is configured" in server.log(), "an answer")
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
