import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sim.contract import ContractTests
from sim.description import Description, Lever
from sim.drift import (
    DRIFTS,
    Drift,
    Drifting,
    NoDrift,
    Ramp,
    Restructured,
    Seasonal,
    Step,
    build_drift,
)
from sim.epoch import Epoch
from sim.errors import InvalidParameters, InvalidSettings
from sim.scenario import SimulatorRecipe, load_scenario
from sim.simulator import ServiceSystem, Simulator
from sim.system import System
from tests.systems import MakeSimulator, outputs, small_centre

DAY = np.tile([0.1, 0.4], (6, 1))
"""The same decisions for each of the small centre's six epochs."""

SLOWER = {"handle_time_scale": Step(since=2.0, to=1.4)}


def _episodes(
    simulator: Simulator, number: int, parameters: dict[str, float] | None = None
) -> list[list[Epoch]]:
    """So many whole episodes of the small centre, all with the same seed and decisions."""
    found = []
    for _ in range(number):
        simulator.reset(7, parameters)
        found.append([simulator.advance(decision) for decision in DAY])
    return found


def _table(epochs: Sequence[Epoch]) -> np.ndarray:
    return np.array([[*epoch.state, *epoch.outputs] for epoch in epochs])


def _total(epochs: Sequence[Epoch], name: str) -> float:
    return float(outputs(list(epochs), small_centre().describe(), name).sum())


# Shapes


@pytest.mark.parametrize("episode", [0.0, 3.5, 1e6])
def test_nothing_drifts_where_nothing_changes(episode: float) -> None:
    """The null case is a factor of 1 for ever."""
    assert NoDrift().at(episode) == 1.0


def test_a_step_happens_at_its_episode_and_stays() -> None:
    """The change is in force on the very day that is named."""
    step = Step(since=3.0, to=1.2, before=0.9)
    assert [step.at(e) for e in (0.0, 2.0, 2.999, 3.0, 4.0, 1e9)] == [0.9] * 3 + [1.2] * 3


def test_a_ramp_moves_evenly_between_its_ends() -> None:
    """A quarter of the way in time is a quarter of the way in size, up or down."""
    up, down = Ramp(begins=10.0, ends=30.0, to=1.4), Ramp(begins=10.0, ends=30.0, to=0.6)
    assert [up.at(e) for e in (0.0, 10.0, 15.0, 20.0, 30.0, 99.0)] == pytest.approx(
        [1.0, 1.0, 1.1, 1.2, 1.4, 1.4]
    )
    assert [down.at(e) for e in (10.0, 20.0, 40.0)] == pytest.approx([1.0, 0.8, 0.6])


def test_a_season_comes_again() -> None:
    """A quarter of a period after its phase the factor peaks, after three quarters it is lowest."""
    season = Seasonal(period=8.0, amplitude=0.25, phase=1.0)
    assert [season.at(e) for e in (1.0, 3.0, 5.0, 7.0, 9.0, 11.0)] == pytest.approx(
        [1.0, 1.25, 1.0, 0.75, 1.0, 1.25]
    )


def test_a_season_averages_to_one() -> None:
    """Over whole periods nothing is gained, so a season is no trend in disguise."""
    season = Seasonal(period=12.0, amplitude=-0.5)
    assert np.mean([season.at(float(e)) for e in range(24)]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("settings", "drift"),
    [
        ({"shape": "none"}, NoDrift()),
        ({"shape": "step", "since": 20, "to": 1.2}, Step(since=20.0, to=1.2)),
        ({"shape": "ramp", "begins": 1, "ends": 5, "to": 2}, Ramp(begins=1.0, ends=5.0, to=2.0)),
        (
            {"shape": "seasonal", "period": 7, "amplitude": 0.1, "phase": 2},
            Seasonal(period=7.0, amplitude=0.1, phase=2.0),
        ),
    ],
)
def test_settings_name_each_shape(settings: dict[str, object], drift: Drift) -> None:
    """A scenario file can say whatever Python can."""
    assert build_drift(settings) == drift
    assert set(DRIFTS) == {"none", "step", "ramp", "seasonal"}


@pytest.mark.parametrize(
    ("settings", "faults"),
    [
        ({}, ["shape: missing; known: none, ramp, seasonal, step"]),
        ({"shape": "stepp"}, ["shape: unknown 'stepp'; did you mean 'step'?"]),
        ({"shape": "step", "to": 0.0}, ["since: missing", "to is 0.0: give a finite number above"]),
        ({"shape": "step", "since": -1, "to": 1, "too": 1}, ["since is -1.0", "too: unknown key"]),
        ({"shape": "ramp", "begins": 5, "ends": 5, "to": 1.0}, ["episode 5 and ends at 5"]),
        ({"shape": "seasonal", "period": 0, "amplitude": 1.0}, ["period is 0.0", "amplitude is 1"]),
    ],
)
def test_every_fault_of_a_drift_is_told(settings: dict[str, object], faults: list[str]) -> None:
    """A factor of 0 or below makes no sense for any parameter, and names are easily misspelt."""
    with pytest.raises(InvalidSettings) as caught:
        build_drift(settings)
    for fault in faults:
        assert any(fault in found for found in caught.value.faults), caught.value.faults


def test_seasons_of_every_amplitude_stay_above_zero() -> None:
    """A parameter is a factor on rates and times, none of which can be 0 or below."""
    season = Seasonal(period=4.0, amplitude=math.nextafter(1.0, 0.0))
    assert min(season.at(float(e)) for e in range(8)) > 0.0


# Parameters that drift


def test_a_step_in_handling_changes_the_waits_of_later_episodes_only() -> None:
    """Until the day of the change the system is the one it was, to the last bit."""
    drifting, plain = Drifting(ServiceSystem(small_centre()), SLOWER), ServiceSystem(small_centre())
    days = _episodes(drifting, 4)
    same, slower = _episodes(plain, 1)[0], _episodes(plain, 1, {"handle_time_scale": 1.4})[0]
    for day, expected in zip(days, (same, same, slower, slower), strict=True):
        assert np.array_equal(_table(day), _table(expected))
    assert _total(days[2], "call_wait") > _total(days[1], "call_wait")


def test_nobody_else_comes_when_service_drifts() -> None:
    """Each purpose has a stream of its own, so slower service meets the same callers."""
    days = _episodes(Drifting(ServiceSystem(small_centre()), SLOWER), 3)
    description = small_centre().describe()
    before, after = (outputs(day, description, "call_arrivals") for day in (days[1], days[2]))
    assert np.array_equal(before, after)


def test_drift_multiplies_what_is_given() -> None:
    """A scenario that is set to begin with more calls drifts from there."""
    drifting = Drifting(ServiceSystem(small_centre()), SLOWER)
    drifting.episode = 2
    assert drifting.parameters_now({"handle_time_scale": 1.1, "arrival_scale": 0.9}) == {
        "handle_time_scale": pytest.approx(1.1 * 1.4),
        "arrival_scale": 0.9,
    }


def test_an_episode_counts_once_it_is_over() -> None:
    """Somebody who looks at the first hours and begins anew has not lived through a day."""
    drifting = Drifting(ServiceSystem(small_centre()), {})
    for _ in range(2):
        drifting.reset(1)
        drifting.advance(DAY[0])
    assert drifting.episode == 0
    _episodes(drifting, 2)
    assert drifting.episode == 2


def test_the_episode_decides_not_how_often_the_simulator_ran() -> None:
    """Any day of the drift can be replayed at once, in any process."""
    lived, jumped = (Drifting(ServiceSystem(small_centre()), SLOWER) for _ in range(2))
    third = _episodes(lived, 3)[2]
    jumped.episode = 2
    assert np.array_equal(_table(_episodes(jumped, 1)[0]), _table(third))


def test_impossible_values_are_refused_not_clipped() -> None:
    """A clipped parameter would run another system than the one asked for."""
    drifting = Drifting(ServiceSystem(small_centre()), SLOWER)
    with pytest.raises(InvalidParameters, match="handle_time_scale' is -1"):
        drifting.reset(1, {"handle_time_scale": -1.0})
    with pytest.raises(InvalidParameters, match="episode -1: give 0 or more"):
        drifting.episode = -1


def test_a_drift_of_an_unknown_parameter_suggests_the_near_one() -> None:
    """A drift of nothing would change nothing, without a word."""
    with pytest.raises(InvalidParameters, match="'arival_scale'; did you mean 'arrival_scale'"):
        Drifting(ServiceSystem(small_centre()), {"arival_scale": NoDrift()})


# Structure that changes


def _merged_queues() -> System:
    """The small centre when tier 1 no longer passes calls on."""
    centre = small_centre()
    call = centre.classes[0]
    routes = (replace(call.routes[0], probability=0.0), call.routes[1])
    return replace(centre, classes=(replace(call, routes=routes), *centre.classes[1:]))


def _restructured(from_episode: int = 1) -> Restructured:
    before, after = ServiceSystem(small_centre()), ServiceSystem(_merged_queues())
    return Restructured(before=before, after=after, from_episode=from_episode)


def test_from_its_episode_on_another_system_runs() -> None:
    """The day before is the old system's to the last bit, the day itself the new one's."""
    days = _episodes(_restructured(), 3)
    old, new = (_episodes(ServiceSystem(s), 1)[0] for s in (small_centre(), _merged_queues()))
    for day, expected in zip(days, (old, new, new), strict=True):
        assert np.array_equal(_table(day), _table(expected))
    assert _total(days[0], "tier1_calls_to_escalation") > 0
    assert _total(days[1], "tier1_calls_to_escalation") == 0


def test_a_change_during_an_episode_waits_for_the_next() -> None:
    """Setting the episode while a day runs must not swap the system under it."""
    restructured = _restructured()
    restructured.reset(7)
    first = restructured.advance(DAY[0])
    restructured.episode = 1
    rest = [restructured.advance(decision) for decision in DAY[1:]]
    assert np.array_equal(
        _table([first, *rest]), _table(_episodes(ServiceSystem(small_centre()), 1)[0])
    )


def test_parameters_and_structure_change_on_one_calendar() -> None:
    """Both count the same episodes, also after the number is set from outside."""
    changing = Drifting(_restructured(from_episode=2), {"arrival_scale": Step(since=1.0, to=1.3)})
    changing.episode = 1
    second, third = _episodes(changing, 2)
    more = {"arrival_scale": 1.3}
    old, new = (_episodes(ServiceSystem(s), 1, more)[0] for s in (small_centre(), _merged_queues()))
    assert np.array_equal(_table(second), _table(old))
    assert np.array_equal(_table(third), _table(new))


def _without(system: System, what: str) -> System:
    if what == "lever":
        teams = tuple(replace(t, lever=None) if t.pool == "tier2" else t for t in system.teams)
        return replace(system, teams=teams, levers=system.levers[:1])
    if what == "levels":
        return replace(system, levers=(system.levers[0], Lever(name="on_phones", levels=(0.0,))))
    if what == "order":
        return replace(system, parameters=system.parameters[::-1])
    if what == "epochs":
        return replace(system, boundaries=(*system.boundaries[:-1], 190.0))
    return replace(system, parameters=system.parameters[:-1])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("lever", "lever 'on_phones' is gone after the change"),
        ("levels", "levers on_phones offer other levels after the change"),
        ("parameter", "parameter 'staff_scale' is gone after the change"),
        ("order", "parameters are in another order after the change"),
        ("epochs", "the epochs are others after the change"),
    ],
)
def test_systems_that_cannot_be_told_in_the_same_words_are_refused(what: str, message: str) -> None:
    """Whoever ran the old system must be able to run the new one, number by number."""
    before, after = ServiceSystem(small_centre()), ServiceSystem(_without(small_centre(), what))
    with pytest.raises(InvalidSettings, match=message):
        Restructured(before=before, after=after, from_episode=1)


def test_a_change_before_the_first_episode_is_no_change() -> None:
    """Then the system has always been the new one, and should be described so."""
    with pytest.raises(InvalidParameters, match="change from episode 0: 1 or more"):
        _restructured(from_episode=0)


# What holds for both


@dataclass
class Other:
    """A simulator that is not ours, with one parameter, to show that any will do."""

    value: float = 0.0

    def describe(self) -> Description:
        return replace(
            Description(name="other", components=(), outputs=(), levers=(), epochs=1),
            parameters=small_centre().parameters[:1],
        )

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> np.ndarray:
        self.value = (parameters or {}).get("arrival_scale", 1.0)
        return np.zeros(0)

    def advance(self, decision: np.ndarray) -> Epoch:
        return Epoch(state=np.zeros(0), outputs=np.zeros(0), duration=self.value, is_last=True)


def test_a_simulator_of_the_users_own_drifts_as_ours_does() -> None:
    """The wrappers ask for nothing but the three methods."""
    drifting = Drifting(Other(), {"arrival_scale": Ramp(begins=0.0, ends=4.0, to=2.0)})
    durations = []
    for _ in range(6):
        drifting.reset(1)
        durations.append(drifting.advance(np.zeros(0)).duration)
    assert durations == [1.0, 1.25, 1.5, 1.75, 2.0, 2.0]


@pytest.mark.parametrize("episode", [0, 3])
def test_a_changing_simulator_survives_pickling(episode: int) -> None:
    """Workers get their simulators by pickle, with the episode at which they are."""
    changing = Drifting(_restructured(from_episode=2), SLOWER)
    changing.episode = episode
    copied = pickle.loads(pickle.dumps(changing))
    assert copied.episode == episode
    assert np.array_equal(_table(_episodes(copied, 1)[0]), _table(_episodes(changing, 1)[0]))


class TestStill(ContractTests):
    """A drift that has ended is a simulator like any other."""

    @staticmethod
    def build() -> Drifting:
        return Drifting(MakeSimulator()(), {"handle_time_scale": Step(since=0.0, to=1.2)})


class TestBeforeTheChange(ContractTests):
    """So is one whose structure changes later than anybody looks."""

    @staticmethod
    def build() -> Restructured:
        return _restructured(from_episode=10**6)


# Bundled scenarios that change


def _first_day(simulator: Drifting, episode: int) -> list[Epoch]:
    simulator.episode = episode
    description = simulator.describe()
    simulator.reset(3)
    decision = description.decisions[0]
    return [simulator.advance(decision) for _ in range(description.epochs)]


def test_the_bundled_emergency_department_stops_sorting_its_patients() -> None:
    """From its hundredth day on its file says that triage tells urgent from minor no more."""
    changing = SimulatorRecipe(scenario=load_scenario("emergency")).drifting()
    names = changing.describe().output_names
    minor = names.index("triage_nurses_to_minor")
    before, after = (sum(e.outputs[minor] for e in _first_day(changing, n)) for n in (99, 100))
    assert before > 0
    assert after == 0


def test_the_bundled_clinic_drifts_as_its_file_says() -> None:
    """Two parameters move at once: the colds of winter and a slower record."""
    changing = SimulatorRecipe(scenario=load_scenario("clinic")).drifting()
    changing.episode = 62
    assert changing.parameters_now() == {
        "arrival_scale": pytest.approx(1.0 + 0.1 * math.sin(2 * math.pi * 62 / 250)),
        "handle_time_scale": 1.08,
    }


def test_a_scenario_without_drift_stays_as_it_is() -> None:
    """Whoever builds every scenario as one that drifts loses nothing."""
    recipe = SimulatorRecipe(scenario=load_scenario("tandem"))
    changing, plain = recipe.drifting(), recipe()
    changing.episode = 50
    assert np.array_equal(changing.reset(4), plain.reset(4))
    decision = plain.describe().decisions[-1]
    for _ in range(50):
        assert np.array_equal(
            _table([changing.advance(decision)]), _table([plain.advance(decision)])
        )
