"""What may be wrong with one answer of a simulator, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.contract.check import listed
from sim.description import Description
from sim.epoch import Epoch, Quantity


def state_fault(state: Any, description: Description, where: str) -> str | None:
    """Why something is not a state of the declared form."""
    return _vector_fault(state, description.state_names, f"{where} gave a state")


def epoch_fault(epoch: Any, description: Description, where: str) -> str | None:
    """Why something is not an epoch of the declared form."""
    if not isinstance(epoch, Epoch):
        return (
            f"{where} gave {_kind(epoch)}: give sim.Epoch(state=..., outputs=..., duration=..., "
            "is_last=...)"
        )
    return (
        state_fault(epoch.state, description, where)
        or _vector_fault(epoch.outputs, description.output_names, f"{where} gave outputs")
        or _duration_fault(epoch.duration, where)
        or _end_fault(epoch.is_last, where)
    )


def _vector_fault(vector: Any, names: tuple[str, ...], gave: str) -> str | None:
    wanted = f"give a vector, np.array([...], dtype=float), of {listed(names) or 'no numbers'}"
    if isinstance(vector, Mapping):
        undeclared = [str(name) for name in vector if name not in names]
        extra = f" with the undeclared {listed(undeclared)}" if undeclared else ""
        return f"{gave} as {_kind(vector)}{extra}: {wanted}"
    if not isinstance(vector, np.ndarray):
        return f"{gave} as {_kind(vector)}: {wanted}"
    if vector.shape != (len(names),):
        return f"{gave} of shape {vector.shape}, expected ({len(names)},): {_extent(vector, names)}"
    if vector.dtype.kind != "f":
        return f"{gave} of dtype {vector.dtype}: {wanted}"
    return None


def _extent(vector: Any, names: tuple[str, ...]) -> str:
    declared = listed(names) or "none is declared"
    if vector.ndim == 1 and len(vector) > len(names):
        return f"{declared}; {len(vector) - len(names)} undeclared"
    return declared


def _duration_fault(duration: Any, where: str) -> str | None:
    if isinstance(duration, int | float | np.number):
        return None
    return f"{where} gave a duration that is {_kind(duration)}: give minutes as a float"


def _end_fault(is_last: Any, where: str) -> str | None:
    if isinstance(is_last, bool | np.bool_):
        return None
    return f"{where} gave is_last = {is_last!r}: give True or False"


def _kind(given: Any) -> str:
    name = type(given).__name__
    return "None" if given is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def not_finite(vector: Float[np.ndarray, "number"], names: tuple[str, ...]) -> str | None:
    """The first number that is not finite."""
    wrong = ~np.isfinite(vector)
    if not wrong.any():
        return None
    at = int(wrong.argmax())
    return f"{names[at]!r} is {vector[at]}"


def not_counting(
    vector: Float[np.ndarray, "number"], quantities: tuple[Quantity, ...]
) -> str | None:
    """The first count that is not whole, or less than 0."""
    for value, quantity in zip(vector.tolist(), quantities, strict=True):
        if quantity.is_count and not (value >= 0 and value == round(value)):
            return f"{quantity.name!r} is {value:g}"
    return None
