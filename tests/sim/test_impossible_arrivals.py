import math
from typing import Any

import numpy as np
import pytest

from sim.arrivals import (
    BatchArrivals,
    DoublyStochasticArrivals,
    MarkovModulatedArrivals,
    PoissonArrivals,
    SinusoidalArrivals,
    TimeVaryingArrivals,
)
from sim.errors import InvalidSystem


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (PoissonArrivals, {"rate": 0.0}, r"rate is 0\.0: give a finite number above 0"),
        (PoissonArrivals, {"rate": math.inf}, "rate is inf"),
        (PoissonArrivals, {"rate": math.nan}, "rate is nan"),
        (TimeVaryingArrivals, {"rates": (), "slot_minutes": 5.0}, r"rates is \[\]"),
        (TimeVaryingArrivals, {"rates": (0.0, 0.0), "slot_minutes": 5.0}, "not all 0"),
        (TimeVaryingArrivals, {"rates": (1.0, -1.0), "slot_minutes": 5.0}, r"\[1\.0, -1\.0\]"),
        (TimeVaryingArrivals, {"rates": (1.0,), "slot_minutes": 0.0}, "slot_minutes is 0"),
        (
            TimeVaryingArrivals,
            {"rates": (1.0,), "slot_minutes": 5.0, "kind": "cubic"},
            "kind is 'cubic': give 'constant' or 'linear'",
        ),
        (
            SinusoidalArrivals,
            {"mean_rate": 1.0, "amplitude": 1.1, "period": 60.0},
            r"amplitude is 1\.1: give at most the mean rate 1\.0",
        ),
        (
            SinusoidalArrivals,
            {"mean_rate": 1.0, "amplitude": 1.0, "period": 60.0, "phase": math.inf},
            "phase is inf: give a finite number of radians",
        ),
        (
            MarkovModulatedArrivals,
            {"rates": (1.0, 2.0), "generator": ((-1.0, 1.0),)},
            "give 2 rows of 2",
        ),
        (
            MarkovModulatedArrivals,
            {"rates": (1.0, 2.0), "generator": ((-1.0, 1.0), (1.0, -2.0))},
            "row 2 sums to -1: give -1 on the diagonal",
        ),
        (
            MarkovModulatedArrivals,
            {"rates": (1.0, 2.0), "generator": ((1.0, -1.0), (1.0, -1.0))},
            "0 or more off the diagonal",
        ),
        (
            MarkovModulatedArrivals,
            {"rates": (1.0, 2.0), "generator": ((0.0, 0.0), (0.0, 0.0))},
            "parts that it never leaves",
        ),
        (
            MarkovModulatedArrivals,
            {"rates": (1.0, 0.0), "generator": ((-1.0, 1.0), (0.0, 0.0))},
            "rates are 0 in every state that the chain does not leave",
        ),
        (BatchArrivals, {"arrivals": PoissonArrivals(rate=1.0), "sizes": (0.5,)}, "sum to 1"),
        (BatchArrivals, {"arrivals": PoissonArrivals(rate=1.0), "sizes": 0.9}, r"sizes is 0\.9"),
    ],
)
def test_impossible_processes_are_refused(
    kind: type, given: dict[str, object], message: str
) -> None:
    """Nonsense is cheapest to find where it enters, and the message must show it."""
    with pytest.raises(InvalidSystem, match=message):
        kind(**given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"persistence": 1.0}, r"persistence 1\.0"),
        ({"day_sd": -0.1}, r"deviations -0\.1"),
        ({"day_sd": math.inf}, "deviations inf"),
        ({"profile": np.full((2, 6), math.nan)}, "finite"),
        ({"profile": np.full((2, 6), -1.0)}, "not negative"),
        ({"profile": np.zeros((2, 6))}, "without a customer"),
        ({"slot_minutes": 0.0}, r"slots of 0\.0 minutes"),
    ],
)
def test_impossible_doubly_stochastic_arrivals_are_refused(
    change: dict[str, Any], message: str
) -> None:
    """A fit that went wrong must not be simulated."""
    given: dict[str, Any] = {
        "profile": np.full((2, 6), 5.0),
        "day_sd": 0.1,
        "slot_sd": np.full(6, 0.1),
        "persistence": 0.8,
        "slot_minutes": 10.0,
    }
    assert DoublyStochasticArrivals(**given).mean_rate == 0.5
    with pytest.raises(InvalidSystem, match=message):
        DoublyStochasticArrivals(**(given | change))
