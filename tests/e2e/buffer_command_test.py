"""objpoolctl read and write: the bytes of leased buffers from a shell."""

import os
import subprocess
import unittest

from buffer_test import MAX_DATA, SIZE, BufferCase
from objpool_testing import BIN_DIR, DEADLINE_S


class CommandTest(BufferCase):
    """objpoolctl read and write, as a user has them."""

    def ctl(self, *arguments, data=b"", ref=None):
        environment = dict(os.environ, OBJPOOL_SERVER=self.server.address)
        if ref:
            environment["OBJPOOL_REF"] = ref
        return subprocess.run([BIN_DIR / "objpoolctl", *arguments], input=data, check=False,
                              env=environment, capture_output=True, timeout=DEADLINE_S)

    def lease_ref(self, *options):
        return self.ctl("lease", "large", *options).stdout.decode().split("\t")[1]

    def test_a_file_goes_in_and_out(self):
        ref = self.lease_ref()
        data = self.random.randbytes(SIZE)
        write = self.ctl("write", ref, data=data)
        self.assertEqual(write.returncode, 0, write.stderr)
        self.assertTrue(write.stdout.endswith(b"\twritten\t%d bytes\n" % SIZE), write.stdout)
        self.assertTrue(self.ctl("read", ref=ref).stdout == data)
        piece = self.ctl("read", "--offset", "1000", "--length", "70000", ref=ref).stdout
        self.assertTrue(piece == data[1000:71_000])

    def test_what_does_not_fit_says_how_much_did(self):
        ref = self.lease_ref()
        late = self.ctl("write", ref, "--offset", str(SIZE - MAX_DATA), data=bytes(MAX_DATA + 1))
        self.assertEqual(late.returncode, 1)
        self.assertIn(b"(BAD_FIELD)", late.stderr)
        self.assertIn(f"; {MAX_DATA} bytes were written".encode(), late.stderr)
        over = self.ctl("read", ref, "--offset", str(SIZE + 1))
        self.assertEqual((over.returncode, over.stdout), (1, b""))

    def test_a_ref_whose_grant_is_over_is_refused_without_its_key(self):
        ref = self.lease_ref()
        self.ctl("return", ref)
        for command in ("read", "write"):
            run = self.ctl(command, ref, data=b"x")
            self.assertEqual(run.returncode, 1)
            self.assertIn(b"(GRANT_RETURNED)", run.stderr)
            self.assertNotIn(ref.rsplit("/", 1)[1].encode(), run.stderr + run.stdout)


if __name__ == "__main__":
    unittest.main()
