"""How deep and how long JSON may be, looked at before it is parsed."""

from __future__ import annotations

import re

from service.problems import Problem

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ALIKE = bytes.maketrans(b"[{]}", b"(())")
_OTHERS = bytes(set(range(256)) - set(b"[{]}"))


def check_json(body: bytes, depth: int, nodes: int) -> None:
    """Raise Problem for a body nested too deeply or of too many values, be it JSON or not."""
    is_flat = sum(_count(body, bracket, depth) for bracket in (b"[", b"{")) <= depth
    # A value has a byte at least, and to count commas takes as long as to read numbers.
    if is_flat and (len(body) < nodes or body.count(b",") + depth < nodes):
        return
    bare = _STRINGS.sub(b'""', body)
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") >= nodes:
        raise Problem("too_deep", f"at most {nodes} values in one body")
    # Without the innermost pairs it is one bracket less deep; what is never closed is left over.
    pairs = bare.translate(_ALIKE, _OTHERS)
    for _ in range(depth):
        pairs = pairs.replace(b"()", b"")
    if b"()" in pairs or pairs.count(b"(") > depth:
        raise Problem("too_deep", f"at most {depth} brackets within brackets")


def _count(body: bytes, bracket: bytes, most: int) -> int:
    """How often it is there, at most one more than that: to find is faster than to count."""
    at = -1
    for number in range(most + 1):
        at = body.find(bracket, at + 1)
        if at < 0:
            return number
    return most + 1
