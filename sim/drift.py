"""Systems that do not stay what they were: parameters that drift, and structure that changes.

Time is counted in episodes since the beginning, such as days. A drift is a factor on a parameter,
1 where nothing has changed. The wrappers at the end make any simulator drift; those who use it
are not told, for `describe` says what it always said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.choices import Limit, NotNegative, Positive, build, refuse_outside_limits
from sim.description import Description
from sim.epoch import Epoch
from sim.errors import InvalidParameters, InvalidSettings, suggestion
from sim.simulator import Simulator

Amplitude = Annotated[
    float, Limit(wanted="a number above -1 and below 1", holds=lambda x: -1 < x < 1)
]


@runtime_checkable
class Drift(Protocol):
    """How one parameter moves from episode to episode."""

    def at(self, episode: float) -> float:
        """The factor on the parameter so many episodes after the beginning."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NoDrift:
    """Nothing changes."""

    def at(self, episode: float) -> float:
        """Always 1."""
        del episode
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A sudden change that stays, such as a new computer system."""

    since: NotNegative
    """The first episode with the new factor."""
    to: Positive
    before: Positive = 1.0

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    def at(self, episode: float) -> float:
        """`before` until the change, then `to`."""
        return self.to if episode >= self.since else self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A slow change at an even pace, such as growing demand; it stays where it ends."""

    begins: NotNegative
    """The last episode at factor 1."""
    ends: NotNegative
    """The first episode at factor `to`."""
    to: Positive

    def __post_init__(self) -> None:
        refuse_outside_limits(self)
        if not self.begins < self.ends:
            raise InvalidSettings(
                f"ramp begins at episode {self.begins:g} and ends at {self.ends:g}: "
                "let it end later, or give a step"
            )

    def at(self, episode: float) -> float:
        """From 1 to `to` in a straight line."""
        done = (episode - self.begins) / (self.ends - self.begins)
        return 1.0 + (self.to - 1.0) * min(max(done, 0.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seasonal:
    """A wave around 1 that comes again, such as a year of days."""

    period: Positive
    """Episodes from peak to peak."""
    amplitude: Amplitude
    """How far above and below 1; negative to begin with the trough."""
    phase: NotNegative = 0.0
    """The episode at which the factor first passes 1 on its way to the peak."""

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    def at(self, episode: float) -> float:
        """1 plus a sine."""
        turns = (episode - self.phase) / self.period
        return 1.0 + self.amplitude * math.sin(2.0 * math.pi * turns)


DRIFTS: Mapping[str, Callable[..., Drift]] = {
    "none": NoDrift,
    "step": Step,
    "ramp": Ramp,
    "seasonal": Seasonal,
}
"""Shapes by the names that settings give them."""


def build_drift(settings: Mapping[str, object]) -> Drift:
    """The drift that settings such as `{ shape = "step", since = 20, to = 1.2 }` describe.

    Raises InvalidSettings with every fault.
    """
    return build(settings, naming_key="shape", kinds=DRIFTS, nested={})


class Changing:
    """What simulators that change from episode to episode have in common: counting episodes."""

    def __init__(self) -> None:
        self._episode = 0

    @property
    def episode(self) -> int:
        """Episodes that are over; set it to begin elsewhere.

        An episode that is given up before its last epoch does not count.
        """
        return self._episode

    @episode.setter
    def episode(self, number: int) -> None:
        if number < 0:
            raise InvalidParameters(f"episode {number}: give 0 or more")
        self._episode = number
        for simulator in self._parts():
            if isinstance(simulator, Changing):
                simulator.episode = number

    def _parts(self) -> tuple[Simulator, ...]:
        raise NotImplementedError

    def _count(self, epoch: Epoch) -> Epoch:
        if epoch.is_last:
            self.episode += 1
        return epoch


class Drifting(Changing):
    """Any simulator, with parameters that drift."""

    def __init__(self, simulator: Simulator, drifts: Mapping[str, Drift]) -> None:
        super().__init__()
        self._simulator, self._drifts = simulator, dict(drifts)
        self._nominal = {p.name: p.nominal for p in simulator.describe().parameters}
        for name in drifts:
            if name not in self._nominal:
                raise InvalidParameters(
                    f"drift of unknown parameter {name!r}{suggestion(name, self._nominal)}"
                )

    def describe(self) -> Description:
        """What the simulator says of itself."""
        return self._simulator.describe()

    def reset(
        self, seed: int, parameters: dict[str, float] | None = None
    ) -> Float[np.ndarray, "state"]:
        """Begin an episode with the given or nominal parameters times their present factors.

        Raises InvalidParameters where the simulator refuses a product; nothing is clipped.
        """
        return self._simulator.reset(seed, self.parameters_now(parameters))

    def parameters_now(self, parameters: dict[str, float] | None = None) -> dict[str, float]:
        """The parameters of the present episode: those given, and every one that drifts."""
        given = dict(parameters or {})
        for name, drift in self._drifts.items():
            given[name] = given.get(name, self._nominal[name]) * drift.at(float(self.episode))
        return given

    def advance(self, decision: Float[np.ndarray, "lever"]) -> Epoch:
        """Apply a decision until the next epoch."""
        return self._count(self._simulator.advance(decision))

    def _parts(self) -> tuple[Simulator, ...]:
        return (self._simulator,)


class Restructured(Changing):
    """One simulator at first and another from an episode on: a new rule, a pool lost.

    `describe` tells of the first, for that is what people go on believing. Both must have the
    same names, levels and epochs, so that whoever ran the one can run the other.
    """

    def __init__(self, *, before: Simulator, after: Simulator, from_episode: int) -> None:
        super().__init__()
        if from_episode < 1:
            raise InvalidParameters(
                f"change from episode {from_episode}: 1 or more, for the first is before the change"
            )
        self._before, self._after, self._from_episode = before, after, from_episode
        faults = differences(before.describe(), after.describe())
        if faults:
            raise InvalidSettings(*faults)
        self._running = before

    def describe(self) -> Description:
        """What the simulator says of itself before the change."""
        return self._before.describe()

    def reset(
        self, seed: int, parameters: dict[str, float] | None = None
    ) -> Float[np.ndarray, "state"]:
        """Begin an episode of the system as it now is."""
        self._running = self._before if self.episode < self._from_episode else self._after
        return self._running.reset(seed, parameters)

    def advance(self, decision: Float[np.ndarray, "lever"]) -> Epoch:
        """Apply a decision until the next epoch."""
        return self._count(self._running.advance(decision))

    def _parts(self) -> tuple[Simulator, ...]:
        return (self._before, self._after)


def differences(before: Description, after: Description) -> list[str]:
    """What cannot be told of both systems in the same words."""
    found = []
    for kind, old, new in (
        ("state component", before.state_names, after.state_names),
        ("output", before.output_names, after.output_names),
        ("lever", before.lever_names, after.lever_names),
        ("parameter", _names(before), _names(after)),
    ):
        found += [f"{kind} {name!r} is gone after the change" for name in old if name not in new]
        found += [f"{kind} {name!r} is new after the change" for name in new if name not in old]
        if old != new and set(old) == set(new):
            found.append(f"{kind}s are in another order after the change: {', '.join(new)}")
    if before.levers != after.levers and before.lever_names == after.lever_names:
        changed = [b.name for b, a in zip(before.levers, after.levers, strict=True) if a != b]
        found.append(f"levers {', '.join(changed)} offer other levels after the change")
    if (before.epochs, before.boundaries) != (after.epochs, after.boundaries):
        found.append("the epochs are others after the change: keep their number and boundaries")
    return found


def _names(description: Description) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in description.parameters)
