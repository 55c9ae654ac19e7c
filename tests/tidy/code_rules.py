"""Rules of code: how long functions are, how headers open, what a schema explains."""

import ast
import re

from finding import Finding

MAX_FUNCTION_LINES = 70

# Comments, literals and preprocessor lines: whatever may hold a brace that opens nothing.
_NOT_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<raw>[^(\s]*)\(.*?\)(?P=raw)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*", re.DOTALL | re.MULTILINE)
_SCOPE = re.compile(
    r"\s*(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|union|enum|extern)\b",
    re.DOTALL)
# What may stand between the parameters of a function and its body.
_AFTER_PARAMETERS = re.compile(
    r"(\s*(const|noexcept(\s*\([^()]*\))?|override|final|mutable|try|&&?)|\s*->[^;{}]*)*\s*$")


def blank_literals(text):
    """C++ with comments, literals and preprocessor lines blanked; line numbers stay."""
    return _NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _opens(head):
    """What a brace opens at the scope of a namespace or class, by what stands before it."""
    if _SCOPE.match(head):
        return "scope"
    end = _AFTER_PARAMETERS.sub("", head).rstrip()
    if "(" in head and end.endswith((")", "}")):
        return "function"
    return "value"


def functions(text):
    """(first line, last line) of every function defined in C++ text, lambdas not included."""
    code = blank_literals(text)
    found, stack, head_start, line = [], [], 0, 1
    for at, char in enumerate(code):
        line += char == "\n"
        outside = all(kind == "scope" for kind, _ in stack)
        if char == "{":
            head = code[head_start:at]
            begin = line - head.lstrip().count("\n")
            stack.append((_opens(head) if outside else "inner", begin))
            if stack[-1][0] == "scope":
                head_start = at + 1
        elif char == "}" and stack:
            kind, begin = stack.pop()
            if kind == "function":
                found.append((begin, line))
            if kind in ("function", "scope"):
                head_start = at + 1
        elif char == ";" and outside:
            head_start = at + 1
        elif char == ":" and outside and code[head_start:at].strip() in ("public", "private",
                                                                         "protected"):
            head_start = at + 1
    return found


def _too_long(source, first, last):
    count = last - first + 1
    if count <= MAX_FUNCTION_LINES:
        return []
    return [Finding(source.path, first, "function",
                    f"limit {MAX_FUNCTION_LINES} lines, value {count}")]


def check_cpp_functions(source):
    """C++ functions that do not fit a screen."""
    return [finding for first, last in functions(source.text)
            for finding in _too_long(source, first, last)]


def check_python_functions(source):
    """Python functions that do not fit a screen."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [finding for node in ast.walk(ast.parse(source.text)) if isinstance(node, kinds)
            for finding in _too_long(source, node.lineno, node.end_lineno)]


def check_header(source):
    """Headers that do not open with a sentence and then #pragma once."""
    comment, rest = [], ""
    for line in source.lines:
        if not line.startswith("//"):
            rest = line
            break
        comment.append(line[2:].strip())
    findings = []
    said = " ".join(comment)
    if "." not in said or len(said.split()) < 3:
        findings.append(Finding(source.path, 1, "header", "opens with a sentence on what it is"))
    if rest != "#pragma once":
        findings.append(Finding(source.path, len(comment) + 1, "header",
                                "#pragma once follows the opening comment"))
    return findings


_FIELD = re.compile(r"\s*(repeated |optional )?(map<.*>|[\w.]+) \w+ = \d+( \[.*\])?;")
_RPC = re.compile(r"\s*rpc \w+")


def check_schema_comments(source):
    """Fields and methods of a schema that nothing explains. One comment may explain several
    fields that follow one another without a blank line, or all of a oneof."""
    findings, explained = [], False
    for number, line in enumerate(source.lines, 1):
        if line.strip().startswith("//"):
            explained = True
        elif _RPC.match(line):
            if not explained:
                findings.append(Finding(source.path, number, "comment", "a method without one"))
            explained = False
        elif _FIELD.match(line):
            if not explained:
                findings.append(Finding(source.path, number, "comment", "a field without one"))
        elif not line.strip().startswith("oneof "):
            explained = False
    return findings
