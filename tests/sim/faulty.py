"""A sound simulator of a few lines, and copies of it that each break one clause of the contract."""

from __future__ import annotations

import os
import random as global_random
from dataclasses import replace
from typing import Any

import numpy as np

from sim.adapting import check_decision
from sim.description import Description, Lever
from sim.epoch import Epoch, Parameter, Quantity, parameter_vector
from sim.errors import InvalidDecision
from sim.simulator import ServiceSystem
from tests.systems import small_centre

DESCRIPTION = Description(
    name="till",
    components=(
        Quantity(name="queue", unit="customers"),
        Quantity(name="backlog", unit="minutes", is_count=False),
        Quantity(name="epoch", unit="epochs"),
    ),
    outputs=(
        Quantity(name="came", unit="customers"),
        Quantity(name="wait", unit="customer minutes", is_count=False),
    ),
    levers=(Lever(name="tills", levels=(1.0, 2.0, 3.0), decides="servers"),),
    parameters=(Parameter(name="rush", unit="factor", low=0.5, high=2.0, nominal=1.0),),
    epochs=5,
    boundaries=(0.0, 10.0, 20.0, 30.0, 40.0, 50.0),
)


class Till:
    """A queue that grows by Poisson arrivals and shrinks by what the tills can serve."""

    description = DESCRIPTION
    minutes = 10.0
    epoch = DESCRIPTION.epochs

    def describe(self) -> Description:
        return self.description

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        (self.rush,) = parameter_vector(self.description.parameters, parameters)
        self.random = np.random.default_rng(seed)
        self.queue, self.epoch = 0.0, 0
        return self.state()

    def advance(self, decision: Any) -> Any:
        self.refuse(decision)
        came = self.come()
        self.queue = max(self.queue + came - 4.0 * self.tills(decision), 0.0)
        self.epoch += 1
        return Epoch(
            state=self.state(),
            outputs=self.outputs(came),
            duration=self.minutes,
            is_last=self.epoch == self.description.epochs,
        )

    def refuse(self, decision: Any) -> None:
        check_decision(self.description, decision)
        if self.epoch == self.description.epochs:
            raise InvalidDecision("call reset(seed) first")

    def come(self) -> float:
        return float(self.random.poisson(8.0 * self.rush))

    def tills(self, decision: Any) -> float:
        return float(decision[0])

    def state(self) -> Any:
        return np.array([self.queue, 1.5 * self.queue, float(self.epoch)])

    def outputs(self, came: float) -> Any:
        return np.array([came, 10.0 * self.queue])


class Unbuildable(Till):
    def __init__(self) -> None:
        raise OSError("licence server not found")


class WithoutAdvance:
    def describe(self) -> Description:
        return DESCRIPTION

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        return np.zeros(3)


class DescribedByDict(Till):
    def describe(self) -> Any:
        return {"name": "till"}


class ChangesItsLevers(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        self.description = replace(DESCRIPTION, levers=())
        return super().reset(seed, parameters)


class ResetFails(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        raise KeyError("ward")


class ResetTooShort(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        return super().reset(seed, parameters)[:2]


class ResetGivesNaN(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        return super().reset(seed, parameters) * np.nan


class AdvanceFails(Till):
    def come(self) -> float:
        return 1.0 / (self.epoch - 2)


class AdvanceGivesDict(Till):
    def advance(self, decision: Any) -> Any:
        return {"queue": 3.0}


class StateIsNamed(Till):
    def state(self) -> Any:
        return (
            {"queue": self.queue, "mood": 1.0} if self.epoch else np.array([self.queue, 0.0, 0.0])
        )


class StateIsList(Till):
    def state(self) -> Any:
        return super().state().tolist() if self.epoch else super().state()


class StateIsWhole(Till):
    def state(self) -> Any:
        return super().state().astype(int)


class OutputsTooMany(Till):
    def outputs(self, came: float) -> Any:
        return np.array([came, 1.0, 2.0])


class OutputsAsColumn(Till):
    def outputs(self, came: float) -> Any:
        return super().outputs(came)[:, None]


class DurationMissing(Till):
    minutes: Any = None


class EndIsNumber(Till):
    def advance(self, decision: Any) -> Any:
        return replace(super().advance(decision), is_last=int(self.epoch == 5))


class WaitIsNaN(Till):
    def outputs(self, came: float) -> Any:
        return np.array([came, np.nan if self.epoch == 3 else 0.0])


class QueueIsNegative(Till):
    def state(self) -> Any:
        return np.array([-1.0 if self.epoch == 2 else 0.0, 0.0, float(self.epoch)])


class HalfCustomers(Till):
    def come(self) -> float:
        return super().come() + 0.5


class TimeGoesBack(Till):
    minutes = -10.0


class TimeStandsStill(Till):
    minutes = 0.0


class TooFast(Till):
    minutes = 12.0


class NeverMoves(Till):
    description = replace(DESCRIPTION, boundaries=())
    minutes = 0.0


class NeverEnds(Till):
    def advance(self, decision: Any) -> Any:
        return replace(super().advance(decision), is_last=False)


class AdvancesUnprepared(Till):
    def refuse(self, decision: Any) -> None:
        if self.epoch == 5 and not hasattr(self, "random"):
            self.reset(0)
        check_decision(self.description, decision)


class AdvancesAfterTheEnd(Till):
    def refuse(self, decision: Any) -> None:
        check_decision(self.description, decision)
        if not hasattr(self, "random"):
            raise InvalidDecision("call reset(seed) first")


class StumblesBeforeReset(Till):
    def refuse(self, decision: Any) -> None:
        check_decision(self.description, decision)
        self.random.bit_generator.random_raw(0)
        if self.epoch == 5:
            raise InvalidDecision("call reset(seed) first")


class DislikesALevel(Till):
    description = replace(
        DESCRIPTION,
        levers=(Lever(name="tills", levels=tuple(map(float, range(1, 20))), decides="servers"),),
    )

    def tills(self, decision: Any) -> float:
        return dict.fromkeys(range(1, 16), 1.0)[int(decision[0])]


class TakesAnyLevel(Till):
    def refuse(self, decision: Any) -> None:
        if np.shape(decision) != (1,) or self.epoch == 5:
            raise InvalidDecision("one level")


class TakesAnyShape(Till):
    def refuse(self, decision: Any) -> None:
        check_decision(self.description, np.array(decision)[:1])
        if self.epoch == 5:
            raise InvalidDecision("call reset(seed) first")


class FailsInARush(Till):
    def come(self) -> float:
        return super().come() if self.rush < 2.0 else 1.0 / 0.0


class NegativeInARush(Till):
    def outputs(self, came: float) -> Any:
        return np.array([-came if self.rush == 2.0 else came, 0.0])


class IgnoresTheRush(Till):
    def come(self) -> float:
        return float(self.random.poisson(8.0))


class TakesAnyParameter(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        known = {"rush": (parameters or {}).get("rush", 1.0)}
        return super().reset(seed, known)


class TakesNaNParameter(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        known = {
            name: 1.0 if value != value else value for name, value in (parameters or {}).items()
        }
        return super().reset(seed, known)


class SmallSeedsOnly(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        if seed > 65535:
            raise OverflowError("seed too large")
        return super().reset(seed, parameters)


class IgnoresTheSeed(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        return super().reset(7, parameters)


class KeepsItsQueue(Till):
    queue = 0.0

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        before = self.queue
        super().reset(seed, parameters)
        self.queue = before
        return self.state()


class DependsOnTheObject(Till):
    objects = 0

    def __init__(self) -> None:
        DependsOnTheObject.objects += 1
        self.number = DependsOnTheObject.objects

    def come(self) -> float:
        return super().come() + self.number


class SharesItsRandomness(Till):
    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        global_random.seed(seed)
        return super().reset(seed, parameters)

    def come(self) -> float:
        return float(global_random.randrange(1000))


class DependsOnTheProcess(Till):
    def come(self) -> float:
        return super().come() + os.getpid()


class ReusesItsState(Till):
    def __init__(self) -> None:
        self.buffer = np.zeros(3)

    def state(self) -> Any:
        self.buffer[:] = super().state()
        return self.buffer


class BelievesItsCaller(Till):
    """Keeps the array that it returned, and reads its queue from there."""

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> Any:
        self.last = super().reset(seed, parameters)
        return self.last

    def advance(self, decision: Any) -> Any:
        self.queue = float(self.last[0])
        epoch = super().advance(decision)
        self.last = epoch.state
        return epoch


class NothingFeasible(Description):
    def feasible(self, states: np.ndarray) -> np.ndarray:
        return np.repeat(states[:, [0]] < 3, len(self.decisions), axis=1)


class FeasibleForOne(Description):
    def feasible(self, states: np.ndarray) -> np.ndarray:
        return np.ones(len(self.decisions), dtype=bool)


def _as(kind: type[Description]) -> Description:
    names = ("name", "components", "outputs", "levers", "parameters", "epochs", "boundaries")
    return kind(**{name: getattr(DESCRIPTION, name) for name in names})


class MayDoNothing(Till):
    description = _as(NothingFeasible)


class MasksOneStateOnly(Till):
    description = _as(FeasibleForOne)


class LosesCustomers(ServiceSystem):
    """Has one caller fewer after its third epoch than its flows say."""

    def __init__(self) -> None:
        super().__init__(small_centre())

    def advance(self, decision: np.ndarray) -> Epoch:
        epoch = super().advance(decision)
        missing = np.zeros(len(epoch.state))
        missing[0] = float(epoch.state[-1] == 3)
        return replace(epoch, state=epoch.state + missing)
