"""What is kept says by which code it was made."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sim.provenance import commit


def test_code_that_was_not_committed_is_told_and_rows_that_were_measured_are_not(
    tmp_path: Path,
) -> None:
    """A study that writes rows into its checkout has not changed the code that it measures."""
    assert commit(tmp_path).startswith("surrogym ")
    _git(tmp_path, "init", "--quiet")
    assert commit(tmp_path).startswith("surrogym ")
    code, rows = tmp_path / "study.py", tmp_path / "study" / "rows.jsonl"
    rows.parent.mkdir()
    code.write_text("1\n")
    rows.write_text("{}\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "First")
    clean = commit(tmp_path)
    assert len(clean) == 12
    rows.write_text("{}\n{}\n")
    assert commit(tmp_path) == clean
    code.write_text("2\n")
    assert commit(tmp_path) == f"{clean}-dirty"


def _git(folder: Path, *asked: str) -> None:
    subprocess.run(["git", *asked], cwd=folder, check=True)
