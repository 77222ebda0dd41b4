"""The whole loop: pre-train, put in charge, watch, find out what changed, answer, and watch again.

The system runs elsewhere: day by day its telemetry is brought here. Everything that was finished is
in the journal's folder, so a process that is killed at any point is started again with the same
folder and goes on after the last finished step.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from sim.streams import stream
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset, NotFitted
from training.calibrate import Calibration, calibrate_since_change, refine_calibration
from training.controllers import PolicyController
from training.drift import DetectorSettings, ScoreCusum, calibrate_detector
from training.forms import RecordForm, read_json
from training.journal import Journal, write_json
from training.likelihood import DayLikelihood, LikelihoodSurrogate
from training.loop.decision import Decision, Findings, corrected, decide
from training.loop.learning import seeds_of
from training.loop.pretraining import Pretrained, PretrainSettings, pretrain
from training.loop.renewal import Incumbent
from training.loop.retraining import Retrained, RetrainSettings, retrain
from training.loop.visits import visit
from training.loop.watching import SeenDay, Watch
from training.plant import Plant


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How much of everything."""

    pretraining: PretrainSettings = field(default_factory=PretrainSettings)
    retraining: RetrainSettings = field(default_factory=RetrainSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    in_control_days: int = 150
    """Simulated days on which each detector is calibrated."""
    refining_days: int = 30
    """Simulated days by which an estimate is corrected for the surrogate's misfit; 0 for none."""
    most_days_back: int = 10
    """Days among which the beginning of a change is sought."""
    smallest_change: float = 0.05
    """Relative change of a parameter that is answered."""
    given: tuple[str, ...] = ()
    """Parameters that are not answered, because whoever is in charge sees them come and go."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What ends a watch: an alarm, or another objective."""

    wanted: Objective | None
    """The objective; None for an alarm."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"wanted": None if self.wanted is None else self.wanted.to_record()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Event:
        """Rebuild from a record."""
        wanted = record["wanted"]
        return cls(wanted=None if wanted is None else Objective.from_record(wanted))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Response:
    """What was made of an alarm or of another objective."""

    decision: Decision
    calibration: Calibration | None
    retrained: Retrained | None
    """None where no training was due."""


class RetrainingLoop:
    """A policy in charge of a plant, kept good."""

    def __init__(
        self, plant: Plant, settings: LoopSettings, journal: Journal, executor: Executor
    ) -> None:
        self.plant, self.settings = plant, settings
        self._journal, self._executor = journal, executor
        self.responses: list[Response] = []
        self.pretrained: Pretrained = pretrain(
            plant, settings.pretraining, journal.within("pretrain"), executor
        )
        self.incumbent = Incumbent(
            policy=self.pretrained.policy,
            surrogate=self.pretrained.surrogate,
            transitions=self.pretrained.transitions,
            beliefs=plant.description.nominal,
        )
        self._watches = [self._begin_watch()]
        self._catch_up()

    @property
    def controller(self) -> PolicyController:
        """Who decides from now on."""
        plant = self.plant.believing(self.incumbent.beliefs)
        return plant.controller(self.incumbent.policy)

    @property
    def watch(self) -> Watch:
        """The days since the last answer."""
        return self._watches[-1]

    def observe(self, label: str, telemetry: Transitions) -> SeenDay:
        """Take in a day of the running system; one that was taken in before is only looked up.

        Telemetry is recorded at the parameters that are believed. After an alarm call `respond`.
        """
        for watch in self._watches:
            if (seen := watch.find(label)) is not None:
                return seen
        return self.watch.observe(label, telemetry)

    def respond(self) -> Response:
        """Answer the alarm that the last day raised; raises InvalidDataset without one."""
        if not self.watch.has_alarm:
            raise InvalidDataset("no alarm to answer: observe days until one comes")
        self._note(Event(wanted=None))
        calibration = self._part.step(
            "answer/find", self._calibrate, RecordForm(from_record=Calibration.from_record)
        )
        decision = decide(
            Findings(calibration=calibration),
            smallest_change=self.settings.smallest_change,
            given=self.settings.given,
        )
        self._believe(calibration)
        return self._carry_out(decision, calibration)

    def want(self, objective: Objective) -> Response:
        """Serve another objective from now on: no simulation but the gate's.

        Who is in charge stays so until somebody is surely better; a policy that sees the objective
        answers it at once.
        """
        self._note(Event(wanted=objective))
        self.plant = self.plant.wanting(objective)
        return self._carry_out(decide(Findings(objective_changed=True)), None)

    @property
    def _part(self) -> Journal:
        return self._journal.within(f"watch-{len(self.responses):03d}")

    def _note(self, event: Event) -> None:
        """Keep what ended a watch, so that it is answered after a kill."""
        self._part.step("event", lambda: event, RecordForm(from_record=Event.from_record))

    def _begin_watch(self) -> Watch:
        detector = self._part.step("detector", self._calibrated, _DetectorForm(loop=self))
        self._detector = detector
        return Watch(detector, self.plant.description, self._part)

    def _catch_up(self) -> None:
        """Answer again what was answered before; finished steps are read back."""
        while self._part.has("event"):
            event = self._part.step("event", _never, RecordForm(from_record=Event.from_record))
            if event.wanted is None:
                self.respond()
            else:
                self.want(event.wanted)

    def _calibrated(self) -> ScoreCusum:
        """A detector for who is in charge, at what is believed."""
        settings = self.settings
        seeds = self._seeds("in control", settings.in_control_days)
        days = self._simulated(self.incumbent.beliefs, seeds)
        random = stream(settings.seed, "detector", str(len(self.responses)))
        return calibrate_detector(days, self.likelihood, settings.detector, random)

    def _calibrate(self) -> Calibration:
        settings, watch = self.settings, self.watch
        recent = watch.recent(settings.most_days_back)
        found = calibrate_since_change(self._detector.likelihood, recent, self._detector.control)
        if not settings.refining_days or not found.moved:
            return found
        seeds = self._seeds("refining", settings.refining_days)
        return refine_calibration(
            found,
            self._judge,
            concatenate([day.telemetry for day in watch.days[-found.days :]]),
            self._detector.control,
            lambda point: self._simulated(point, seeds),
            rounds=1,
        )

    def _simulated(
        self, parameters: Float[np.ndarray, "parameter"], seeds: tuple[int, ...]
    ) -> Transitions:
        """Telemetry of who is in charge, at the given parameters."""
        values = self.plant.description.parameter_values(parameters)
        return visit(self.plant, self.controller, seeds, self._executor, values).telemetry

    def _seeds(self, purpose: str, count: int) -> tuple[int, ...]:
        return seeds_of(self.settings.seed, count, purpose, str(len(self.responses)))

    @property
    def likelihood(self) -> DayLikelihood:
        """How likely days are about what is believed, by the surrogate."""
        return DayLikelihood.at(self._judge, self.incumbent.beliefs)

    @property
    def _judge(self) -> LikelihoodSurrogate:
        surrogate = self.incumbent.surrogate
        if not isinstance(surrogate, LikelihoodSurrogate):
            raise NotFitted(
                f"surrogate {surrogate.name!r} has no likelihood to watch by: pre-train on flow, "
                "ensemble or gp"
            )
        return surrogate

    def _believe(self, calibration: Calibration) -> None:
        """Take over what has surely moved, however little; the rest stays as it was believed."""
        beliefs = corrected(
            self.plant.description, self.incumbent.beliefs, calibration, self.settings.given
        )
        self.incumbent = replace(self.incumbent, beliefs=beliefs)

    def _carry_out(self, decision: Decision, calibration: Calibration | None) -> Response:
        settings, number = self.settings.retraining, len(self.responses) + 1
        done = None
        if decision.retrains:
            done = retrain(
                self.plant,
                self.incumbent,
                decision,
                settings.numbered(number),
                self._part.within("answer"),
                self._executor,
                number=number,
            )
            self.incumbent = done.incumbent
        response = Response(decision=decision, calibration=calibration, retrained=done)
        self.responses.append(response)
        self._watches.append(self._begin_watch())
        return response


@dataclass(frozen=True, slots=True, kw_only=True)
class _DetectorForm:
    """A detector without its surrogate, which the loop has."""

    loop: RetrainingLoop

    def write(self, folder: Path, value: ScoreCusum) -> None:
        """As JSON."""
        write_json(folder / "detector.json", value.to_record())

    def read(self, folder: Path) -> ScoreCusum:
        """Around the likelihood at what is believed."""
        return ScoreCusum.from_record(read_json(folder / "detector.json"), self.loop.likelihood)


def _never() -> Event:
    raise InvalidDataset("the event is missing from the journal")
