"""Count the lines of adapter.py and store them as figures, beside it.

`python examples/adapting_simpy/count_lines.py` writes line_count.json, and from it the sentence in
the README. Lines of code are those that are neither empty nor a comment.
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
BLOCK = re.compile(r"(<!-- line count: begin -->\n).*?(<!-- line count: end -->)", re.DOTALL)


def figures() -> list[dict[str, object]]:
    """One row for all lines, one for lines of code."""
    lines = (HERE / "adapter.py").read_text().splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    return [
        _row("adapter_lines", len(lines), "< 100"),
        _row("adapter_code_lines", len(code), "< 90"),
    ]


def _row(name: str, value: int, goal: str) -> dict[str, object]:
    return {
        "name": name, "value": value, "low": None, "high": None, "n": 1, "unit": "lines",
        "goal": goal,
    }  # fmt: skip


def stated_in(readme: str) -> str:
    """The README with the stored figures in their place."""
    stored = json.loads((HERE / "line_count.json").read_text())["figures"]
    lines, code = (figure["value"] for figure in stored)
    sentence = f"The adapter has {lines} lines, {code} of them code."
    return BLOCK.sub(rf"\g<1>{sentence}\n\g<2>", readme)


def main() -> None:
    """Write the figures, here and in the README."""
    text = json.dumps({"figures": figures()}, indent=2)
    (HERE / "line_count.json").write_text(text + "\n")
    readme = HERE.parents[1] / "README.md"
    readme.write_text(stated_in(readme.read_text()))


if __name__ == "__main__":
    main()
