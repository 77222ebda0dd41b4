"""The clinic of clinic.py as a Simulator; the script stays as it is."""

import random
from pathlib import Path

import numpy as np
import simpy

from sim import Description, Epoch, Lever, Parameter, Quantity
from sim.adapting import Absences, check_decision, private_copy, run_watching
from sim.epoch import parameter_vector
from sim.errors import InvalidDecision

EPOCHS, HALF_HOUR, ROOMS = 16, 30.0, 6
PLACES = ("at_nurses", "urgent_waiting", "others_waiting", "with_doctor")
DESCRIPTION = Description(
    name="clinic",
    components=(
        *(Quantity(name=name, unit="patients") for name in PLACES),
        Quantity(name="epoch", unit="epochs"),
    ),
    outputs=(
        *(Quantity(name=name, unit="patients") for name in ("arrivals", "seen", "left")),
        Quantity(name="waiting", unit="patient minutes", is_count=False),
        Quantity(name="on_duty", unit="doctor minutes", is_count=False),
    ),
    levers=(Lever(name="doctors", levels=(3.0, 4.0, 5.0, 6.0), decides="servers"),),
    parameters=(
        Parameter(name="arrival_scale", unit="factor", low=0.7, high=1.3, nominal=1.0),
        Parameter(name="consultation_scale", unit="factor", low=0.8, high=1.2, nominal=1.0),
    ),
    epochs=EPOCHS,
    boundaries=tuple(HALF_HOUR * k for k in range(EPOCHS + 1)),
)


class Clinic:
    """A walk-in clinic: how many doctors shall be on duty in the next half hour?"""

    costs = {"waiting": 0.5, "left": 40.0, "on_duty": 2.0}
    _epoch = EPOCHS

    def describe(self):
        return DESCRIPTION

    def reset(self, seed, parameters=None):
        arrival_scale, consultation_scale = parameter_vector(DESCRIPTION.parameters, parameters)
        script = self._script = private_copy(Path(__file__).with_name("clinic.py"))
        script.random = random.Random(seed)
        script.ARRIVAL_EVERY /= arrival_scale
        script.CONSULTATION *= consultation_scale
        script.patient = self._counted(script.patient)
        self._env = simpy.Environment()
        self._nurses = simpy.Resource(self._env, capacity=script.NURSES)
        doctors = simpy.PriorityResource(self._env, capacity=ROOMS)
        self._doctors = Absences(doctors)
        self._env.process(script.arrivals(self._env, self._nurses, doctors))
        self._epoch, self._arrived, self._waited = 0, 0, 0.0
        return self._state()

    def advance(self, decision):
        (doctors,) = check_decision(DESCRIPTION, decision)
        if self._epoch == EPOCHS:
            raise InvalidDecision("no day is running: call reset(seed)")
        self._doctors.keep(ROOMS - int(doctors))
        before, self._epoch = self._totals(), self._epoch + 1
        run_watching(self._env, self._epoch * HALF_HOUR, self._watch)
        return Epoch(
            state=self._state(),
            outputs=np.append(self._totals() - before, doctors * HALF_HOUR),
            duration=HALF_HOUR,
            is_last=self._epoch == EPOCHS,
        )

    def _counted(self, patient):
        def process(*arguments):
            self._arrived += 1
            return patient(*arguments)

        return process

    def _watch(self, minutes):
        self._waited += minutes * len(self._doctors.waiting)

    def _totals(self):
        seen, left = len(self._script.waits), self._script.left
        return np.array([self._arrived, seen, left, self._waited])

    def _state(self):
        waiting = [request.priority for request in self._doctors.waiting]
        at_nurses = len(self._nurses.queue) + self._nurses.count
        parts = [at_nurses, waiting.count(0), waiting.count(1), len(self._doctors.in_service)]
        return np.array([*parts, self._epoch], dtype=float)
