"""The whole loop: pre-train, put in charge, watch, find out what changed, answer, and watch again.

The system runs elsewhere: day by day its telemetry is brought here. Everything that was finished is
in the journal's folder, so a process that is killed at any point is started again with the same
folder and goes on after the last finished step.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from sim.errors import InvalidSystem
from surrogates.collect import BuildSimulator
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset
from training.calibrate import Calibration
from training.controllers import PolicyController
from training.digests import digest_of
from training.forms import RecordForm, TransitionsForm
from training.journal import InvalidJournal, Journal
from training.likelihood import split_days
from training.loop.decision import Change, Decision, Findings, corrected, decide
from training.loop.events import EVENTS, Event
from training.loop.following import Followed, Following, follow
from training.loop.investigating import Found
from training.loop.learning import seeds_of
from training.loop.pretraining import Pretrained, PretrainSettings, pretrain
from training.loop.renewal import Incumbent, Renewed, renew
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Response:
    """What was made of an alarm, of another objective or of another simulator."""

    decision: Decision
    found: Found | None
    """What was behind an alarm, or what another simulator makes of it; None where nobody looked."""
    retrained: Retrained | None
    """None where no training was due, and where the simulator does not show what has changed."""
    simulator_epochs: int
    """Of the true simulator in all: to find out, to follow, to learn from and to compare."""


class RetrainingLoop:
    """A policy in charge of a plant, kept good."""

    def __init__(
        self,
        plant: Plant,
        settings: LoopSettings,
        journal: Journal,
        executor: Executor,
        *,
        simulators: Sequence[BuildSimulator] = (),
    ) -> None:
        """Begin, or go on with what is in the journal.

        `plant` is that of the beginning; `simulators` are all that were handed over since then.
        """
        known = (plant.build, *simulators)
        self._simulators = {digest_of(each, plant.description): each for each in known}
        self._replaced: dict[str, Response] = {}
        self._unshown: Transitions | None = None
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
        followed = None
        if self._unshown is None and decision.change is not Change.STRUCTURE:
            decision, followed = self._taken_over(decision, found.calibration)
        if decision.change is Change.STRUCTURE:
            self._unshown = self._since_change(found.calibration)
        return self._carry_out(decision, found, followed)

    def replace_simulator(self, build: BuildSimulator) -> Response:
        """Simulate by another simulator from now on, of a system whose structure has changed.

        The surrogate learns it anew, and nothing else. The days that nothing explained are looked
        at by it: where they stay unexplained the old simulator stays, and nobody is trained. Else
        parameters are estimated and the policy is trained on, as after an alarm. The plant's own
        simulator may be handed over too, to have it tested once more.

        One that was handed over before is not learnt again: the response is that of then. Raises
        InvalidSystem for one that names other numbers or offers other decisions: that is a loop of
        its own.
        """
        known = digest_of(build, self.plant.description)
        if known in self._replaced:
            return self._replaced[known]
        plant = self.plant.simulated_by(build)
        self._note(Event(wanted=None, simulator=known))
        self._replaced[known] = response = self._learn_anew(plant)
        return response

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
        noted = self._part.step("event", lambda: event, EVENTS)
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
            self._answer_again(self._part.step("event", _never, EVENTS))

    def _answer_again(self, event: Event) -> None:
        if event.simulator is not None:
            self.replace_simulator(self._known_simulator(event.simulator))
        elif event.wanted is None:
            self.respond()
        else:
            try:
                self.plant.wanting(event.wanted)
            except InvalidSystem as error:
                raise InvalidJournal(
                    f"{self._part.path / 'event'} was noted and cannot be answered ({error}): "
                    "delete that folder to go on without"
                ) from error
            self.want(event.wanted, event.label)

    def _known_simulator(self, digest: str) -> BuildSimulator:
        if digest not in self._simulators:
            raise InvalidJournal(
                f"{self._part.path} goes on with a simulator that was handed over, {digest[:8]}, "
                "and not with the plant's: give it in `simulators`, beside the plant of the "
                "beginning"
            )
        return self._simulators[digest]

    def _taken_over(
        self, decision: Decision, calibration: Calibration
    ) -> tuple[Decision, Followed | None]:
        """Believe what was estimated, beyond the box too, unless that does not explain the days."""
        before = self.incumbent
        self._believe(calibration)
        if decision.change is not Change.OUTSIDE:
            return decision, None
        followed = self._go_beyond(decision, calibration)
        if followed.unexplained:
            self.incumbent = before
            decision = decide(Findings(unexplained=followed.unexplained, is_followed=True))
        return decision, followed

    def _learn_anew(self, plant: Plant) -> Response:
        """Renew the surrogate by another simulator, see whether that shows the change, and answer.

        What is left once the surrogate has learnt is a change inside the box.
        """
        before, decision = (self.plant, self.incumbent), _REPLACED
        self.plant = plant
        renewed = renew(
            self.plant,
            self.incumbent,
            decision,
            self.settings.retraining.numbered(len(self.responses) + 1).renewal,
            self._part.within("answer"),
            self._executor,
        )
        self.incumbent = replace(
            self.incumbent, surrogate=renewed.surrogate, transitions=renewed.transitions
        )
        found = None
        if self._unshown is not None:
            form = RecordForm(from_record=Found.from_record)
            found = self._part.step("answer/shown", self._find_again, form)
            if found.unexplained:
                self.plant, self.incumbent = before
                parts = ", ".join(found.unexplained)
                told = f"the simulator that was handed over does not explain {parts} either"
                return self._carry_out(replace(decision, reason=told), found, renewed)
            self._believe(found.calibration)
            self._unshown = None
        return self._carry_out(decision, found, renewed)

    def _find_again(self) -> Found:
        """What a surrogate of another simulator makes of the days that nothing explained."""
        assert self._unshown is not None
        settings, number = self.settings, len(self.responses)
        days = self._simulated(
            self.incumbent.beliefs, settings.watching.in_control_days, "in control anew"
        )
        surveyed = Surveillance.calibrated(
            self.incumbent.surrogate,
            self.incumbent.beliefs,
            days,
            settings.watching,
            settings.seed + number,
        )
        found = surveyed.investigation.find(
            self._unshown,
            lambda place, count: self._simulated(
                place, count, f"finding anew {place.tobytes().hex()}"
            ),
        )
        known = settings.watching.in_control_days
        return replace(found, simulated_days=found.simulated_days + known)

    def _since_change(self, calibration: Calibration) -> Transitions:
        recent = split_days(self.watch.recent(self.settings.watching.most_days_back))
        return concatenate(recent[-calibration.days :])

    def _go_beyond(self, decision: Decision, first: Calibration) -> Followed:
        """Take the surrogate after parameters that leave its box."""
        followed = follow(
            self.plant,
            self.incumbent,
            decision,
            first,
            Following(
                days=self._since_change(first),
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
        self, decision: Decision, found: Found | None, before: Followed | Renewed | None = None
    ) -> Response:
        """Re-train; what is left once the surrogate has learnt is a change inside the box.

        Nobody is trained while there are days that the simulator does not show, wherever in the
        box: what is learnt and compared there says nothing of the system as it is now.
        """
        settings, number = self.settings.retraining, len(self.responses) + 1
        done = None
        if decision.retrains and self._unshown is not None:
            decision = replace(decision, reason=f"{decision.reason}; {_HAND_OVER}")
        elif decision.retrains:
            done = retrain(
                self.plant,
                self.incumbent,
                decision if before is None else replace(decision, change=Change.INSIDE),
                settings.numbered(number),
                self._part.within("answer"),
                self._executor,
                number=number,
            )
            self.incumbent = done.incumbent
        return self._end_watch(decision, found, before, done)

    def _end_watch(
        self,
        decision: Decision,
        found: Found | None,
        before: Followed | Renewed | None,
        done: Retrained | None,
    ) -> Response:
        """Add up what the answer took, and watch again."""
        simulated = 0 if found is None else found.simulated_days * self.plant.description.epochs
        simulated += sum(part.simulator_epochs for part in (before, done) if part is not None)
        response = Response(
            decision=decision, found=found, retrained=done, simulator_epochs=simulated
        )
        self.responses.append(response)
        self._watches.append(self._begin_watch())
        return response


_HAND_OVER = (
    "the simulator does not show what has changed: hand over one that does to `replace_simulator`"
)
_REPLACED = Decision(change=Change.STRUCTURE, moved=(), reason="another simulator was handed over")


def _never() -> Event:
    raise InvalidDataset("the event is missing from the journal")
