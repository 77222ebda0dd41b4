import math
import pickle
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

import sim.arrivals.built
import sim.arrivals.modulated
import sim.arrivals.poisson
from sim.arrivals import (
    ARRIVALS,
    Arrivals,
    ArrivalStream,
    BatchArrivals,
    DoublyStochasticArrivals,
    MarkovModulatedArrivals,
    PoissonArrivals,
    RecordedArrivals,
    RenewalArrivals,
    SinusoidalArrivals,
    TimeVaryingArrivals,
    TraceArrivals,
)
from sim.distributions import Exponential, Gamma
from sim.errors import InvalidParameters
from sim.traces import Trace
from sim.volumes import Volumes
from tests.systems import assert_holds, unchecked

CLOSE = 60.0
BOUNDARIES = (0.0, 10.0, 30.0, CLOSE)
COUNTS = np.array([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8], [9, 7, 9, 3, 2, 3]])
DAYS = (date(2024, 6, 1), date(2024, 6, 3), date(2024, 6, 8))

BURSTY = MarkovModulatedArrivals(rates=(0.5, 6.0), generator=((-0.1, 0.1), (0.3, -0.3)))

ENDLESS: dict[str, Arrivals] = {
    "poisson": PoissonArrivals(rate=2.0),
    "time_varying": TimeVaryingArrivals(rates=(1.0, 0.0, 4.0, 2.0), slot_minutes=5.0),
    "linear": TimeVaryingArrivals(rates=(1.0, 0.0, 4.0, 2.0), slot_minutes=5.0, kind="linear"),
    "sinusoidal": SinusoidalArrivals(mean_rate=2.0, amplitude=2.0, period=60.0, phase=0.7),
    "markov_modulated": BURSTY,
    "renewal": RenewalArrivals(interval=Exponential(mean=0.5)),
    "batch": BatchArrivals(arrivals=PoissonArrivals(rate=1.0), sizes=(0.5, 0.2, 0.3)),
}

DAILY: dict[str, Arrivals] = {
    "doubly_stochastic": DoublyStochasticArrivals(
        profile=np.array([[9.0, 8.0, 7.0, 6.0, 5.0, 4.0], [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]]),
        day_sd=0.1,
        slot_sd=np.full(6, 0.1),
        persistence=0.8,
        slot_minutes=10.0,
    ),
    "batch of days": BatchArrivals(
        arrivals=DoublyStochasticArrivals(
            profile=np.full((1, 6), 5.0),
            day_sd=0.0,
            slot_sd=np.zeros(6),
            persistence=0.0,
            slot_minutes=10.0,
        ),
        sizes=1.5,
    ),
}

RECORDED: dict[str, Arrivals] = {
    "trace": TraceArrivals(day=0, counts=COUNTS[0], slot_minutes=10.0, profile=COUNTS[:1] * 1.0),
    "recorded counts": RecordedArrivals(
        record=Volumes(days=DAYS, counts=COUNTS, slot_minutes=10.0), day_kinds="weekday"
    ),
    "recorded times": RecordedArrivals(
        record=Trace(
            days=DAYS,
            times=(np.array([1.0, 1.0, 59.9]), np.array([30.0]), np.array([0.0, 12.5])),
            minutes=CLOSE,
        )
    ),
}

SCALABLE = ENDLESS | DAILY
EVERY = SCALABLE | RECORDED


BLOCKS = (sim.arrivals.poisson, sim.arrivals.modulated, sim.arrivals.built)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of runs of an hour need few customers each, and block sizes change nothing."""
    for module in BLOCKS:
        monkeypatch.setattr(module, "BLOCK", 300)


def _times(process: Arrivals, seed: int, scale: float = 1.0) -> np.ndarray:
    return process.begin(np.random.default_rng(seed), scale).until(CLOSE)


def _counts(process: Arrivals, scale: float, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Kinds of day and customers by epoch of many runs."""
    random = np.random.default_rng(11)
    kinds, counts = [], []
    with unchecked():
        for _ in range(runs):
            stream = process.begin(random, scale)
            kinds.append(stream.day)
            counts.append(np.histogram(stream.until(CLOSE), BOUNDARIES)[0])
    return np.array(kinds), np.array(counts, dtype=float)


def test_every_name_of_a_scenario_file_is_tried_here() -> None:
    """The contract below is one of all kinds, so a new kind must bring its example."""
    assert {type(process) for process in EVERY.values()} == {*ARRIVALS.values(), TraceArrivals}


@pytest.mark.parametrize("process", EVERY.values(), ids=list(EVERY))
def test_times_rise_from_opening_within_and_across_blocks(process: Arrivals) -> None:
    """The engine takes arrivals in order and never looks back."""
    assert isinstance(process, Arrivals)
    times = _times(process, 1)
    assert len(times) > 0
    assert times[0] >= 0
    assert np.all(np.diff(times) >= 0)


@pytest.mark.parametrize("process", ENDLESS.values(), ids=list(ENDLESS))
def test_an_endless_run_comes_in_blocks_of_bounded_size(process: Arrivals) -> None:
    """A run of any length must fit in memory, so no block may grow with the run."""
    blocks = process.begin(np.random.default_rng(2), 1.0).blocks
    sizes = [len(next(blocks)) for _ in range(20)]
    assert min(sizes) > 0
    assert max(sizes) <= 3 * 300


@pytest.mark.parametrize("process", EVERY.values(), ids=list(EVERY))
def test_a_seed_gives_its_times_again_and_no_other_seed_does(process: Arrivals) -> None:
    """Policies are compared on the same customers, over independent runs."""
    arrived = pickle.loads(pickle.dumps(process))
    np.testing.assert_array_equal(_times(process, 1), _times(arrived, 1))
    others = [_times(process, seed) for seed in range(2, 9)]
    assert any(not np.array_equal(_times(process, 1), other) for other in others)


@pytest.mark.parametrize("block", [1, 7, 4096])
@pytest.mark.parametrize("name", sorted(set(ENDLESS) - {"batch"}))
def test_the_size_of_a_block_changes_nothing(
    name: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a matter of speed alone; stored results must outlive a faster one."""
    usual = _times(ENDLESS[name], 3)
    for module in BLOCKS:
        monkeypatch.setattr(module, "BLOCK", block)
    np.testing.assert_array_equal(_times(ENDLESS[name], 3), usual)


@pytest.mark.parametrize("process", EVERY.values(), ids=list(EVERY))
def test_expected_arrivals_are_the_means_of_what_comes(process: Arrivals) -> None:
    """The calendar shows them to whoever decides, so they must be true (99.9% half-widths)."""
    kinds, counts = _counts(process, 1.0, 4000)
    expected = process.expected(BOUNDARIES)
    assert expected.shape == (kinds.max() + 1, 3)
    for kind in range(len(expected)):
        for epoch in range(3):
            truth, seen = expected[kind, epoch], counts[kinds == kind, epoch]
            if np.all(seen == seen[0]):
                assert seen[0] == truth
            else:
                assert_holds(truth, seen, precision=0.15)


@pytest.mark.parametrize("process", SCALABLE.values(), ids=list(SCALABLE))
def test_a_scale_multiplies_what_is_expected(process: Arrivals) -> None:
    """Arrival scale is a factor on every rate (99.9% half-widths)."""
    kinds, counts = _counts(process, 1.7, 3000)
    for kind, expected in enumerate(process.expected(BOUNDARIES)):
        total = counts[kinds == kind].sum(axis=1)
        assert_holds(1.7 * float(expected.sum()), total, precision=0.05)


@pytest.mark.parametrize("process", EVERY.values(), ids=list(EVERY))
def test_the_mean_rate_is_what_comes_a_minute(process: Arrivals) -> None:
    """Loads are computed from it; kinds of day alike, it must agree with what is expected."""
    by_kind = process.expected(BOUNDARIES).sum(axis=1)
    if isinstance(process, RecordedArrivals):
        by_kind = np.bincount(process.kinds) * by_kind * len(by_kind) / len(process.kinds)
    assert process.mean_rate == pytest.approx(by_kind.mean() / CLOSE)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("process", SCALABLE.values(), ids=list(SCALABLE))
def test_a_scale_of_nothing_is_refused(process: Arrivals, scale: float) -> None:
    """Without a rate the next customer never comes, and the run would wait for him."""
    with pytest.raises(InvalidParameters, match=f"arrival scale {scale}: give"):
        process.begin(np.random.default_rng(0), scale)


def test_looking_until_a_time_skips_empty_blocks_and_ends_with_the_stream() -> None:
    """Blocks may be empty where few come, and a day's blocks end."""

    def blocks() -> Iterator[np.ndarray]:
        yield from (np.zeros(0), np.array([1.0, 2.0]), np.zeros(0), np.array([3.0, 7.0]))

    assert ArrivalStream(day=0, blocks=blocks()).until(3.5).tolist() == [1.0, 2.0, 3.0]
    assert ArrivalStream(day=0, blocks=blocks()).until(2.0).tolist() == [1.0]
    assert ArrivalStream(day=0, blocks=blocks()).until(9.0).tolist() == [1.0, 2.0, 3.0, 7.0]


@pytest.mark.parametrize("name", ["poisson", "time_varying", "linear", "sinusoidal"])
def test_poisson_counts_vary_as_much_as_their_mean(name: str) -> None:
    """Thinning a Poisson process leaves one, epoch by epoch independent (99.9% half-widths)."""
    _, counts = _counts(ENDLESS[name], 1.0, 6000)
    mean = ENDLESS[name].expected(BOUNDARIES)[0]
    for epoch in range(3):
        assert_holds(mean[epoch], (counts[:, epoch] - mean[epoch]) ** 2, precision=0.15)
    together = (counts[:, 0] - mean[0]) * (counts[:, 1] - mean[1]) / np.sqrt(mean[0] * mean[1])
    assert_holds(1.0, 1.0 + together, precision=0.06)


def test_nobody_comes_in_a_slot_without_a_rate_in_any_period() -> None:
    """The table begins anew: slots 1, 5, 9, ... of five minutes have rate 0."""
    times = ENDLESS["time_varying"].begin(np.random.default_rng(4), 1.0).until(600.0)
    slots = (times // 5).astype(int)
    assert set(slots % 4) == {0, 2, 3}
    assert slots.max() > 100


def test_a_linear_rate_is_integrated_as_its_trapezoids() -> None:
    """Rates 1, 0, 4, 2 at minutes 0, 5, 10, 15 and 1 again at 20."""
    process = TimeVaryingArrivals(rates=(1.0, 0.0, 4.0, 2.0), slot_minutes=5.0, kind="linear")
    expected = process.expected((0.0, 5.0, 10.0, 15.0, 20.0, 22.5, 40.0))[0]
    np.testing.assert_allclose(expected, [2.5, 10.0, 15.0, 7.5, 1.875, 33.125])
    steps = TimeVaryingArrivals(rates=(1.0, 0.0, 4.0, 2.0), slot_minutes=5.0)
    np.testing.assert_allclose(steps.expected((0.0, 12.5, 32.5))[0], [15.0, 35.0])


def test_a_sinusoid_s_expectation_is_the_integral_of_its_rate() -> None:
    """Lambda(t) = 100 + 20 sin t has a closed integral; numbers from quadrature must agree."""
    process = SinusoidalArrivals(mean_rate=100.0, amplitude=20.0, period=2 * np.pi, phase=0.0)
    edges = (0.0, 0.5, 2.0, 9.0)
    exact = [quad(lambda t: 100 + 20 * np.sin(t), low, high)[0] for low, high in pairwise(edges)]
    np.testing.assert_allclose(process.expected(edges)[0], exact)


def test_markov_modulated_counts_are_as_dispersed_as_their_closed_form() -> None:
    """Two states of rates r1, r2 left at speeds q1, q2, with q = q1 + q2 and shares p1, p2.

    Var N(t) = m + 2 p1 p2 (r1 - r2)**2 (t/q - (1 - exp(-q t))/q**2) (Fischer and
    Meier-Hellstern 1993), here five times the mean; 99.9% half-widths.
    """
    _, counts = _counts(BURSTY, 1.0, 8000)
    speed, mean = 0.4, BURSTY.expected(BOUNDARIES)[0]
    for epoch, minutes in enumerate(np.diff(BOUNDARIES)):
        lasting = minutes / speed - (1 - np.exp(-speed * minutes)) / speed**2
        variance = mean[epoch] + 2 * 0.75 * 0.25 * 5.5**2 * lasting
        assert_holds(variance, (counts[:, epoch] - mean[epoch]) ** 2, precision=0.15)


def test_the_hidden_chain_begins_as_it_goes_on() -> None:
    """Shares of time solve shares @ generator = 0, here by hand: 6/11, 3/11 and 2/11."""
    chain = MarkovModulatedArrivals(
        rates=(1.0, 2.0, 3.0), generator=((-1.0, 1.0, 0.0), (0.0, -2.0, 2.0), (3.0, 0.0, -3.0))
    )
    np.testing.assert_allclose(chain.stationary, [6 / 11, 3 / 11, 2 / 11])
    assert chain.mean_rate == pytest.approx(18 / 11)
    passing = MarkovModulatedArrivals(rates=(9.0, 2.0), generator=((-1.0, 1.0), (0.0, 0.0)))
    assert passing.mean_rate == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("sizes", "second_moment"),
    [((0.5, 0.2, 0.3), 0.5 + 0.2 * 4 + 0.3 * 9), (2.5, (2 - 0.4) / 0.4**2), (1.0, 1.0)],
)
def test_batches_add_the_variance_of_a_compound_poisson_process(
    sizes: tuple[float, ...] | float, second_moment: float
) -> None:
    """Var N(t) = rate t E[size**2], whatever the sizes (99.9% half-widths)."""
    process = BatchArrivals(arrivals=PoissonArrivals(rate=1.0), sizes=sizes)
    _, counts = _counts(process, 1.0, 8000)
    total = counts.sum(axis=1)
    deviations = (total - CLOSE * process.mean_size) ** 2
    assert_holds(CLOSE * second_moment, deviations, precision=0.1)


def test_customers_of_a_batch_come_at_the_same_moment() -> None:
    """A family or a bus is one event; sizes 1 and 3 are the only ones that this process has."""
    process = BatchArrivals(arrivals=PoissonArrivals(rate=1.0), sizes=(0.5, 0.0, 0.5))
    _, sizes = np.unique(_times(process, 5), return_counts=True)
    assert set(sizes) == {1, 3}


def test_renewal_counts_have_the_mean_and_variance_of_their_limits() -> None:
    """E N(t) = t/m + (scv - 1)/2 and Var N(t) = scv t/m, up to what vanishes (Cox 1962).

    For gamma intervals of scv 1/4 the variance's next term is .08, .6% of 15; 99.9% half-widths.
    """
    process = RenewalArrivals(interval=Gamma(mean=1.0, scv=0.25))
    random = np.random.default_rng(6)
    with unchecked():
        counts = np.array([len(process.begin(random, 1.0).until(60.0)) for _ in range(6000)])
    assert_holds(60 - 0.375, counts.astype(float), precision=0.01)
    assert_holds(15 + 0.078, (counts - 60 + 0.375) ** 2, precision=0.1)


def test_a_scale_divides_the_intervals_of_a_renewal_process() -> None:
    """The same draws at twice the pace come at half the times."""
    process = RenewalArrivals(interval=Gamma(mean=1.0, scv=0.25))
    usual = process.begin(np.random.default_rng(7), 1.0).until(60.0)
    fast = process.begin(np.random.default_rng(7), 2.0).until(30.0)
    np.testing.assert_allclose(fast, usual / 2)


def test_the_stored_studies_meet_the_customers_they_met() -> None:
    """Stored results name a seed; they can be repeated only while these draws stay the same."""
    profile = np.array([[3.0, 2.0, 4.0], [5.0, 1.0, 2.0]])
    doubly = DoublyStochasticArrivals(
        profile=profile,
        day_sd=0.3,
        slot_sd=np.array([0.2, 0.3, 0.1]),
        persistence=0.8,
        slot_minutes=5.0,
    )
    stream = doubly.begin(np.random.default_rng(0), 1.2)
    (times,) = stream.blocks
    assert stream.day == 1
    np.testing.assert_allclose(times[[0, 1, -1]], [0.141598355727, 0.621416382498, 14.9860496789])
    assert len(times) == 10
    trace = TraceArrivals(day=1, counts=np.array([2, 0, 1]), slot_minutes=5.0, profile=profile)
    (times,) = trace.begin(np.random.default_rng(0), 1.0).blocks
    np.testing.assert_allclose(times, [1.34893356882, 3.18480843661, 10.2048676197])
