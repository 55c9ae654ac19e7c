"""Rules of any text: width, length, endings, words that do not belong into it."""

import re

from finding import Finding

MAX_COLUMNS = 100
MAX_LINES = 400
# Put together here, so that this file does not break its own rules.
_UNFINISHED = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK")) + r")\b")
_SLEEP = re.compile(r"sleep" r"_for\b|sleep" r"_until\b|absl::Sleep" r"For\b|\bu" r"sleep\(|"
                    r"\btime\.sl" r"eep\(")
_GLOB = re.compile(r"\bfile\s*\(\s*GLOB", re.IGNORECASE)


def check_columns(source):
    """Lines that are too wide. Of a .proto only comments: the rest is laid out by buf."""
    comments_only = source.path.endswith(".proto")
    return [Finding(source.path, number, "columns", f"limit {MAX_COLUMNS}, value {len(line)}")
            for number, line in enumerate(source.lines, 1)
            if len(line) > MAX_COLUMNS and not (comments_only and "//" not in line)]


def check_length(source):
    """A file that is too long."""
    count = len(source.lines)
    if count <= MAX_LINES:
        return []
    return [Finding(source.path, count, "lines", f"limit {MAX_LINES}, value {count}")]


def check_endings(source):
    """Tabs, blanks and carriage returns at the end of a line, and a last line without an end."""
    findings = []
    for number, line in enumerate(source.text.split("\n"), 1):
        if "\t" in line and not source.path.endswith("Makefile"):
            findings.append(Finding(source.path, number, "tab", "write blanks"))
        if line != line.rstrip(" \r"):
            findings.append(Finding(source.path, number, "trailing", "blanks at the end"))
    if source.text and (not source.text.endswith("\n") or source.text.endswith("\n\n")):
        findings.append(Finding(source.path, len(source.lines), "final-newline",
                                "a file ends with exactly one"))
    return findings


def _check_words(source, rule, pattern, why):
    return [Finding(source.path, number, rule, f"{match[0]}: {why}")
            for number, line in enumerate(source.lines, 1)
            for match in pattern.finditer(line)]


def check_unfinished(source):
    """Marks of work that was put off."""
    return _check_words(source, "unfinished", _UNFINISHED, "do it, or leave it")


def check_sleeps(source):
    """Tests that wait for time to pass instead of for what they wait for."""
    return _check_words(source, "sleep", _SLEEP, "wait for the event, with a deadline")


def check_globs(source):
    """Sources that CMake looks up instead of being told."""
    return _check_words(source, "glob", _GLOB, "list the sources")
