"""Blocks of a README that are made from stored rows, between two markers."""

from __future__ import annotations

from collections.abc import Callable


def with_block(text: str, begin: str, end: str, make: Callable[[], str]) -> str:
    """The text with what stands between its markers made anew; as it is where it has none."""
    head, found_begin, rest = text.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not (found_begin and found_end):
        return text
    return f"{head}{begin}\n{make()}\n{end}{tail}"
