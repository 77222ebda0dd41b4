"""Which code it is that runs, for whatever is kept longer than the code stays as it is."""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

_NO_CODE = tuple(f":(exclude){each}" for each in ("*.md", "*.svg", "*.jsonl", "*summary.json"))
"""What measuring itself writes into a checkout, and what is said of it."""


def commit(checkout: Path | None = None) -> str:
    """The commit of a checkout, this one unless another is given; the version where there is none.

    It ends with -dirty where the code is not what was committed. Rows that were measured, and what
    is written of them, are no code.
    """
    root = checkout or Path(__file__).resolve().parents[1]
    if (root / ".git").exists() and shutil.which("git"):
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *_NO_CODE)
        if head and changed is not None:
            return f"{head}-dirty" if changed else head
    return f"surrogym {version('surrogym')}"


def _git(root: Path, *asked: str) -> str | None:
    """What git says; None where it fails, as in a repository without a commit."""
    found = subprocess.run(["git", *asked], cwd=root, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None
