#!/usr/bin/python3
"""The style of the tree, kept by a test. Run it anywhere: it finds the root by itself.

Each finding says file, line, rule, and where there is one the limit and the value. planted_test.py
shows that every rule can fail.
"""

import os
import shutil
import subprocess
import sys
import unittest

import code_rules
import rooms
import text
from finding import read_tree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# (path, rule) -> why this file may break this rule. One that is not needed any more is an error.
EXCEPTIONS = {}

CPP = (".h", ".cc")
BUILD = ("CMakeLists.txt", ".cmake")

# Rule -> (check, which files it is for).
RULES = {
    "include": (rooms.check_includes, lambda path: path.endswith(CPP)),
    "link": (rooms.check_links, lambda path: path.endswith("CMakeLists.txt")),
    "columns": (text.check_columns, lambda path: path.endswith(CPP + (".py", ".proto"))),
    "lines": (text.check_length, lambda path: not path.endswith((".md", ".txt"))),
    "endings": (text.check_endings, lambda path: True),
    "unfinished": (text.check_unfinished, lambda path: True),
    "sleep": (text.check_sleeps, lambda path: path.startswith("tests/")),
    "glob": (text.check_globs, lambda path: path.endswith(BUILD)),
    "function": (code_rules.check_cpp_functions, lambda path: path.endswith(CPP)),
    "python function": (code_rules.check_python_functions, lambda path: path.endswith(".py")),
    "header": (code_rules.check_header, lambda path: path.endswith(".h")),
    "comment": (code_rules.check_schema_comments, lambda path: path.startswith("proto/objpool/")),
}


class Tidy(unittest.TestCase):
    """The tree as it is."""

    @classmethod
    def setUpClass(cls):
        cls.sources = read_tree(ROOT)
        cls.assertGreater(cls(), len(cls.sources), 0, f"no source under {ROOT}")

    def assert_none(self, findings):
        """Fails with all findings that are no exceptions."""
        kept = [f for f in findings if (f.path, f.rule) not in EXCEPTIONS]
        if kept:
            self.fail("\n" + "\n".join(str(f) for f in kept))

    def test_every_rule_holds(self):
        for name, (check, concerns) in RULES.items():
            with self.subTest(rule=name):
                self.assert_none([finding for source in self.sources if concerns(source.path)
                                  for finding in check(source)])

    def test_every_room_has_a_readme(self):
        self.assert_none(rooms.check_readmes({source.path for source in self.sources}))

    def test_every_exception_is_needed(self):
        found = {(finding.path, finding.rule) for check, concerns in RULES.values()
                 for source in self.sources if concerns(source.path) for finding in check(source)}
        self.assertEqual(set(EXCEPTIONS) - found, set())

    def test_clang_format_agrees(self):
        program = shutil.which("clang-format")
        self.assertIsNotNone(program, "clang-format is missing: deploy/apt/install.sh test")
        paths = [source.path for source in self.sources if source.path.endswith(CPP)]
        done = subprocess.run([program, "--dry-run", "-Werror", *paths], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, 0, f"\n{done.stdout}\nmake format lays them out")


if __name__ == "__main__":
    sys.exit(unittest.main())
