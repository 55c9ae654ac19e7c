"""What a check reports, and the files that checks look at."""

import os
from dataclasses import dataclass

# Folders that hold no source of ours.
SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__"}

# Kinds of files that are text of ours, by the end of the name.
TEXT_ENDINGS = (".h", ".cc", ".py", ".proto", ".sh", ".txt", ".cmake", ".md", ".yaml", ".yml",
                ".textproto", "Makefile", "Dockerfile", ".clang-format", ".clang-tidy",
                ".gitignore", "CMakePresets.json")


@dataclass(frozen=True)
class Finding:
    """One line that breaks one rule."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Source:
    """A file by its path from the root, with '/' between folders."""

    path: str
    text: str

    @property
    def lines(self):
        return self.text.splitlines()


def read_tree(root):
    """All text of ours under root, ordered by path."""
    sources = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(names):
            if not name.endswith(TEXT_ENDINGS):
                continue
            full = os.path.join(folder, name)
            path = os.path.relpath(full, root).replace(os.sep, "/")
            with open(full, encoding="utf-8", newline="") as file:
                sources.append(Source(path, file.read()))
    return sources
