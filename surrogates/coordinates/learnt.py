"""What transitions say of a system that its description does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sim.description import SystemDescription
from surrogates.coordinates.idling import UNBENT

REMAINDERS = "coordinates.remainders"
SHARED = "coordinates.shared"
TOLD = "coordinates.told"
CONSERVING = "coordinates.conserving"
BENDS = "coordinates.bends"
PAID = "coordinates.paid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """Of ways out, of servers and of their scales; by default nothing is known."""

    remainders: Mapping[str, str] = field(default_factory=dict)
    """By stock the outflow that follows from the others, where it is not the usual one."""
    shared: frozenset[str] = frozenset()
    """Stocks in service whose customers share the servers."""
    conserving: frozenset[str] = frozenset()
    """Stocks in service whose servers do not idle while somebody waits for them."""
    paid: frozenset[str] = frozenset()
    """Measures of how long servers are on that are known beforehand."""
    bends: Mapping[str, float] = field(default_factory=dict)
    """By stock in service the bend of the scale of its idle servers, where it has one."""
    is_told: bool = True
    """Whether a law hears what the trapezoid rule says of times spent."""

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], description: SystemDescription) -> Learnt:
        """What `to_tensors` was asked of; of earlier releases, as far as they knew it."""
        if REMAINDERS not in tensors:
            return cls(is_told=False)
        stocks, flows = [stock.name for stock in description.stocks], description.flows

        def marked(key: str, names: Sequence[str]) -> frozenset[str]:
            marks = tensors.get(key, np.zeros(len(names)))
            return frozenset(name for name, mark in zip(names, marks, strict=True) if mark)

        bends = zip(stocks, tensors.get(BENDS, np.zeros(len(stocks))), strict=True)
        return cls(
            remainders={
                name: flows[int(i)].name
                for name, i in zip(stocks, tensors[REMAINDERS], strict=True)
            },
            shared=marked(SHARED, stocks),
            conserving=marked(CONSERVING, stocks),
            paid=marked(PAID, description.output_names),
            bends={name: float(bend) for name, bend in bends if bend},
            is_told=TOLD in tensors,
        )

    def to_tensors(self, description: SystemDescription) -> dict[str, np.ndarray]:
        """As arrays with a number for each stock, or each output; every stock has a remainder."""
        stocks = [stock.name for stock in description.stocks]
        flows = [flow.name for flow in description.flows]

        def marks(marked: frozenset[str], names: Sequence[str]) -> np.ndarray:
            return np.array([name in marked for name in names], dtype=int)

        bends = np.array([self.bends.get(name, UNBENT) for name in stocks])
        return {
            REMAINDERS: np.array([flows.index(self.remainders[name]) for name in stocks]),
            SHARED: marks(self.shared, stocks),
            CONSERVING: marks(self.conserving, stocks),
            PAID: marks(self.paid, description.output_names),
            # 0 for none, for what is saved is finite.
            BENDS: np.where(bends == UNBENT, 0.0, bends),
            **({TOLD: np.ones(1, dtype=int)} if self.is_told else {}),
        }
