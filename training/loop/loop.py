"""The whole loop: pre-train, put in charge, watch, find out what changed, answer, and watch again.

The system runs elsewhere: day by day its telemetry is brought here. Everything that was finished is
in the journal's folder, so a process that is killed at any point is started again with the same
folder and goes on after the last finished step.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from sim.errors import InvalidSystem
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset
from training.calibrate import Calibration
from training.controllers import PolicyController
from training.digests import digest_of
from training.forms import RecordForm, TransitionsForm
from training.journal import InvalidJournal, Journal
from training.likelihood import split_days
from training.loop.decision import Change, Decision, Findings, corrected, decide
from training.loop.following import Followed, Following, follow
from training.loop.investigating import Found
from training.loop.learning import seeds_of
from training.loop.pretraining import Pretrained, PretrainSettings, pretrain
from training.loop.renewal import Incumbent
from training.loop.retraining import Retrained, RetrainSettings, retrain
from training.loop.surveillance import Surveillance, WatchSettings
from training.loop.telemetry import Door
from training.loop.visits import visit
from training.loop.watching import SeenDay, Watch
from training.plant import Plant


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How much of everything."""

    pretraining: PretrainSettings = field(default_factory=PretrainSettings)
    retraining: RetrainSettings = field(default_factory=RetrainSettings)
    watching: WatchSettings = field(default_factory=WatchSettings)
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
    label: str | None = None
    """What the caller calls it, so that it is known again."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        wanted = None if self.wanted is None else self.wanted.to_record()
        return {"wanted": wanted, "label": self.label}

    def __str__(self) -> str:
        if self.wanted is None:
            return "an alarm"
        return "another objective" if self.label is None else f"the objective {self.label!r}"

    def repeats(self, other: Event) -> bool:
        """Whether this is the other asked again, though it may have come later."""
        return self.label is not None and self.label == other.label

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Event:
        """Rebuild from a record."""
        wanted = record["wanted"]
        return cls(
            wanted=None if wanted is None else Objective.from_record(wanted),
            label=record.get("label"),
        )


_EVENTS = RecordForm(from_record=Event.from_record)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Response:
    """What was made of an alarm or of another objective."""

    decision: Decision
    found: Found | None
    """What was behind an alarm; None for another objective."""
    retrained: Retrained | None
    """None where no training was due."""
    simulator_epochs: int
    """Of the true simulator in all: to find out, to follow, to learn from and to compare."""


class RetrainingLoop:
    """A policy in charge of a plant, kept good."""

    def __init__(
        self, plant: Plant, settings: LoopSettings, journal: Journal, executor: Executor
    ) -> None:
        self.plant, self.settings = plant, settings
        self._journal, self._executor = journal, executor
        self.responses: list[Response] = []
        self._wants: list[tuple[Event, Response]] = []
        self._in_control_epochs = 0
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
        return self.incumbent.controller(self.plant)

    @property
    def simulator_epochs(self) -> int:
        """Epochs of the true simulator so far: pre-training, days in control and answers."""
        answered = sum(response.simulator_epochs for response in self.responses)
        return self.pretrained.simulator_epochs + self._in_control_epochs + answered

    @property
    def watch(self) -> Watch:
        """The days since the last answer."""
        return self._watches[-1]

    def observe(self, label: str, telemetry: Transitions) -> SeenDay:
        """Take in a day of the running system; one that was taken in before is only looked up.

        Raises InvalidDataset for half a day, numbers that are not finite, negative counts and days
        of another system. Hidden parameters are taken as they are believed, whatever stands in the
        telemetry; those that scale a roster are read from it. While `watch.has_alarm`, call
        `respond`: the alarm of a day that is looked up may have been answered.
        """
        for watch in self._watches:
            if (seen := watch.find(label)) is not None:
                return seen
        return self.watch.observe(label, telemetry)

    def respond(self) -> Response:
        """Answer the alarm that the last day raised; raises InvalidDataset without one.

        What was answered before a kill has been answered again when the loop stands.
        """
        if not self.watch.has_alarm:
            raise InvalidDataset("no alarm to answer: observe days until `watch.has_alarm`")
        found = self._part.step(
            "answer/find", self._find, RecordForm(from_record=Found.from_record)
        )
        # What cannot be looked into must not be noted: it would be looked into at every opening.
        self._note(Event(wanted=None))
        decision = decide(
            Findings(calibration=found.calibration, unexplained=found.unexplained),
            smallest_change=self.settings.smallest_change,
            given=self.settings.given,
        )
        if decision.change is Change.STRUCTURE:
            # Parameters that do not explain the days say nothing of the system.
            return self._carry_out(decision, found)
        before = self.incumbent
        self._believe(found.calibration)
        if decision.change is not Change.OUTSIDE:
            return self._carry_out(decision, found)
        followed = self._go_beyond(decision, found.calibration)
        if followed.unexplained:
            # Nor do those that they were followed to.
            self.incumbent = before
            decision = decide(Findings(unexplained=followed.unexplained, is_followed=True))
        return self._carry_out(decision, found, followed)

    def want(self, objective: Objective, label: str | None = None) -> Response:
        """Serve another objective from now on: no simulation but the gate's.

        Who is in charge stays so until somebody is surely better; a policy that sees the objective
        answers it at once.

        A program that was killed asks again when it is started again. What was wanted last, and
        what was wanted under this `label` before, is not served again: the response is that of
        then. Raises InvalidDataset for a label of another objective, and InvalidSystem for an
        objective of another system.
        """
        event = Event(wanted=objective, label=label)
        if (served := self._served(event, objective)) is not None:
            return served
        # What cannot be answered must not be noted: it would be asked for at every opening.
        plant = self.plant.wanting(objective)
        self._note(event)
        self.plant = plant
        response = self._carry_out(decide(Findings(objective_changed=True)), None)
        self._wants.append((event, response))
        return response

    def _served(self, event: Event, objective: Objective) -> Response | None:
        """The response to what was wanted before, where this is the same."""
        wanted = objective.to_record()
        for known, response in reversed(self._wants):
            if event.repeats(known):
                if known.to_record()["wanted"] != wanted:
                    raise InvalidDataset(
                        f"label {event.label!r} was of another objective: give a label of its own"
                    )
                return response
        if event.label is None and self._wants:
            last, response = self._wants[-1]
            return response if last.to_record()["wanted"] == wanted else None
        return None

    @property
    def _part(self) -> Journal:
        return self._journal.within(f"watch-{len(self.responses):03d}")

    def _note(self, event: Event) -> None:
        """Keep what ended a watch, so that it is answered after a kill.

        Raises InvalidDataset where an answer to something else was begun and has not ended.
        """
        noted = self._part.step("event", lambda: event, _EVENTS)
        if noted.to_record() != event.to_record():
            raise InvalidDataset(
                f"{self._part.path} has begun to answer {noted}, not {event}: open the loop again "
                "to have that answered first"
            )

    def _begin_watch(self) -> Watch:
        """Calibrate on simulated days in control, which are kept."""
        settings, description = self.settings, self.plant.description
        days = self._part.step(
            "in control",
            lambda: self._simulated(
                self.incumbent.beliefs, settings.watching.in_control_days, "in control"
            ),
            TransitionsForm(description=description),
            {
                "days": settings.watching.in_control_days,
                "seed": settings.seed,
                "policy": digest_of(self.incumbent.policy.to_tensors()),
                "beliefs": self.incumbent.beliefs.tolist(),
                "simulator": digest_of(self.plant.build, description),
            },
        )
        self._in_control_epochs += len(days)
        self._surveillance = Surveillance.calibrated(
            self.incumbent.surrogate,
            self.incumbent.beliefs,
            days,
            settings.watching,
            settings.seed + len(self.responses),
        )
        door = Door.of(description, days)
        return Watch(self._surveillance.detectors, door, self._part)

    def _catch_up(self) -> None:
        """Answer again what was answered before; finished steps are read back."""
        while self._part.has("event"):
            event = self._part.step("event", _never, _EVENTS)
            if event.wanted is None:
                self.respond()
                continue
            try:
                self.plant.wanting(event.wanted)
            except InvalidSystem as error:
                raise InvalidJournal(
                    f"{self._part.path / 'event'} was noted and cannot be answered ({error}): "
                    "delete that folder to go on without"
                ) from error
            self.want(event.wanted, event.label)

    def _go_beyond(self, decision: Decision, first: Calibration) -> Followed:
        """Take the surrogate after parameters that leave its box."""
        watching = self.settings.watching
        recent = split_days(self.watch.recent(watching.most_days_back))
        followed = follow(
            self.plant,
            self.incumbent,
            decision,
            first,
            Following(
                days=concatenate(recent[-first.days :]),
                before=self._surveillance.investigation,
                renewal=lambda number: self.settings.retraining.numbered(number).renewal,
                simulate=self._simulated_beyond,
                given=self.settings.given,
                smallest_change=self.settings.smallest_change,
            ),
            self._part.within("answer"),
            self._executor,
        )
        self.incumbent = followed.incumbent
        return followed

    def _find(self) -> Found:
        recent = self.watch.recent(self.settings.watching.most_days_back)
        return self._surveillance.investigation.find(
            # Days of their own at every place: the same luck all over would look like a rule.
            recent,
            lambda place, days: self._simulated(place, days, f"finding {place.tobytes().hex()}"),
        )

    def _simulated(
        self, parameters: Float[np.ndarray, "parameter"], days: int, purpose: str
    ) -> Transitions:
        """Telemetry of who is in charge, at the given parameters."""
        return self._simulated_under(self.incumbent, parameters, days, purpose)

    def _simulated_beyond(
        self, incumbent: Incumbent, parameters: Float[np.ndarray, "parameter"], days: int
    ) -> Transitions:
        purpose = f"beyond {parameters.tobytes().hex()}"
        return self._simulated_under(incumbent, parameters, days, purpose)

    def _simulated_under(
        self,
        incumbent: Incumbent,
        parameters: Float[np.ndarray, "parameter"],
        days: int,
        purpose: str,
    ) -> Transitions:
        values = self.plant.description.parameter_values(parameters)
        seeds = seeds_of(self.settings.seed, days, purpose, str(len(self.responses)))
        there = incumbent.controller(self.plant)
        return visit(self.plant, there, seeds, self._executor, values).telemetry

    def _believe(self, calibration: Calibration) -> None:
        """Take over what has surely moved, however little; the rest stays as it was believed."""
        beliefs = corrected(
            self.plant.description, self.incumbent.beliefs, calibration, self.settings.given
        )
        self.incumbent = replace(self.incumbent, beliefs=beliefs)

    def _carry_out(
        self, decision: Decision, found: Found | None, followed: Followed | None = None
    ) -> Response:
        """Re-train; what is left once an estimate led somewhere is a change inside the box."""
        settings, number = self.settings.retraining, len(self.responses) + 1
        done = None
        if decision.retrains:
            done = retrain(
                self.plant,
                self.incumbent,
                replace(decision, change=Change.INSIDE)
                if decision.change is Change.OUTSIDE
                else decision,
                settings.numbered(number),
                self._part.within("answer"),
                self._executor,
                number=number,
            )
            self.incumbent = done.incumbent
        simulated = 0 if found is None else found.simulated_days * self.plant.description.epochs
        simulated += sum(part.simulator_epochs for part in (followed, done) if part is not None)
        response = Response(
            decision=decision, found=found, retrained=done, simulator_epochs=simulated
        )
        self.responses.append(response)
        self._watches.append(self._begin_watch())
        return response


def _never() -> Event:
    raise InvalidDataset("the event is missing from the journal")
