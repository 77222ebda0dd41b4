import math
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.linalg import expm

from sim.distributions import (
    DISTRIBUTIONS,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Frozen,
    Gamma,
    Hyperexponential,
    Lognormal,
    PhaseType,
    Weibull,
)
from sim.errors import InvalidSystem, InvalidVolumes
from tests.systems import assert_holds

COXIAN = PhaseType(
    initial=(0.9, 0.0, 0.1), generator=((-1.0, 0.6, 0.0), (0.2, -0.5, 0.1), (0.0, 0.0, -2.0))
)

EVERY: dict[str, Distribution] = {
    "exponential": Exponential(mean=3.0),
    "deterministic": Deterministic(mean=3.0),
    "gamma": Gamma(mean=3.0, scv=0.25),
    "lognormal": Lognormal(mean=3.0, scv=0.8),
    "erlang": Erlang(mean=3.0, phases=4),
    "hyperexponential": Hyperexponential(mean=3.0, scv=1.6),
    "phase_type": COXIAN,
    "weibull": Weibull(mean=3.0, shape=1.4),
    "empirical": Empirical(values=(0.5, 2.0, 2.0, 9.0)),
    "scipy": Frozen(distribution=stats.invgauss(0.5, scale=2.0)),
}


def test_every_name_of_a_scenario_file_is_tried_here() -> None:
    """The contract below is one of all kinds, so a new kind must bring its example."""
    assert set(EVERY) == set(DISTRIBUTIONS)
    for name, distribution in EVERY.items():
        assert isinstance(distribution, Distribution)
        assert type(distribution) is DISTRIBUTIONS[name]


@pytest.mark.parametrize("distribution", EVERY.values(), ids=list(EVERY))
def test_draws_have_the_mean_and_variability_they_are_named_by(distribution: Distribution) -> None:
    """A scenario states mean and scv, so both must be those of the draws (99.9% half-width)."""
    draws = distribution.sample(np.random.default_rng(4), 100_000)
    assert draws.shape == (100_000,)
    assert draws.min() > 0
    assert_holds(distribution.mean, draws, precision=0.02)
    blocks = ((draws / distribution.mean - 1) ** 2).reshape(100, -1).mean(axis=1)
    assert_holds(1.0, 1.0 + blocks - distribution.scv, precision=0.1)


@pytest.mark.parametrize("distribution", EVERY.values(), ids=list(EVERY))
def test_customers_keep_their_durations_however_blocks_are_cut(distribution: Distribution) -> None:
    """The engine draws in blocks, and their size must not change what it simulates."""
    whole = distribution.sample(np.random.default_rng(7), 2000)
    random = np.random.default_rng(7)
    parts = [distribution.sample(random, size) for size in (1, 0, 999, 3, 997)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("distribution", EVERY.values(), ids=list(EVERY))
def test_a_distribution_survives_the_way_to_another_process(distribution: Distribution) -> None:
    """Workers receive systems by pickling, and must draw the same and compare equal."""
    arrived = pickle.loads(pickle.dumps(distribution))
    assert arrived == distribution
    assert hash(arrived) == hash(distribution)
    assert repr(arrived) == repr(distribution)
    np.testing.assert_array_equal(
        arrived.sample(np.random.default_rng(1), 5),
        distribution.sample(np.random.default_rng(1), 5),
    )


GOLDEN = {
    "exponential": [2.03979571191, 3.0587913044, 0.0594199877672],
    "gamma": [2.93454713743, 3.77608262511, 2.05020912157],
    "lognormal": [2.46234181502, 2.02068749053, 3.65360140242],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_stored_studies_draw_what_they_drew(name: str) -> None:
    """Stored results name a seed; they can be repeated only while these draws stay the same."""
    draws = EVERY[name].sample(np.random.default_rng(0), 3)
    np.testing.assert_allclose(draws, GOLDEN[name], rtol=1e-11)


@pytest.mark.parametrize("value", [0.0, -2.0, math.nan, math.inf])
@pytest.mark.parametrize("kind", [Exponential, Deterministic])
def test_impossible_means_are_refused(kind: type[Exponential], value: float) -> None:
    """A duration of nothing, or for ever, would stop the clock."""
    with pytest.raises(InvalidSystem, match=f"mean is {value}: give a finite number above 0"):
        kind(mean=value)


@pytest.mark.parametrize("value", [0.0, -2.0, math.nan, math.inf])
@pytest.mark.parametrize("kind", [Gamma, Lognormal])
def test_impossible_shapes_are_refused(kind: type[Gamma], value: float) -> None:
    """Without variability the duration is deterministic, and should be called that."""
    with pytest.raises(InvalidSystem, match=f"scv is {value}"):
        kind(mean=1.0, scv=value)
    with pytest.raises(InvalidSystem, match=f"mean is {value}.*scv is {value}"):
        kind(mean=value, scv=value)


def test_an_erlang_duration_is_the_gamma_of_its_variability() -> None:
    """Equal phases, k of them, are a gamma of scv 1/k, so both must draw the same."""
    erlang, gamma = Erlang(mean=3.0, phases=4), Gamma(mean=3.0, scv=0.25)
    np.testing.assert_array_equal(
        erlang.sample(np.random.default_rng(1), 50), gamma.sample(np.random.default_rng(1), 50)
    )
    assert erlang.scv == gamma.scv
    with pytest.raises(InvalidSystem, match="phases is 0"):
        Erlang(mean=1.0, phases=0)


@pytest.mark.parametrize("scv", [1.0, 1.5, 40.0, 1e9])
def test_balanced_means_meet_the_asked_mean_and_variability(scv: float) -> None:
    """It is the usual fit to two moments, which it must therefore have exactly."""
    fitted = Hyperexponential(mean=3.0, scv=scv)
    assert fitted.mean == pytest.approx(3.0, rel=1e-12)
    assert fitted.scv == pytest.approx(scv, rel=1e-9)
    shares = np.multiply(fitted.probabilities, fitted.means)
    assert shares[0] == pytest.approx(shares[1], rel=1e-12)


def test_explicit_kinds_are_mixed_by_their_probabilities() -> None:
    """Mean sum(p m) and second moment sum(2 p m**2) are arithmetic: 2.2 and 2 * 18.2."""
    mixed = Hyperexponential(probabilities=(0.8, 0.2), means=(0.25, 10.0))
    assert mixed.mean == pytest.approx(2.2)
    assert mixed.scv == pytest.approx(2 * (0.8 * 0.0625 + 0.2 * 100) / 2.2**2 - 1)
    draws = mixed.sample(np.random.default_rng(3), 50_000)
    late = 0.8 * math.exp(-5 / 0.25) + 0.2 * math.exp(-5 / 10)
    assert_holds(late, (draws > 5).astype(float), precision=0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": 2.0}, "of mean: give mean and scv, or probabilities and means"),
        ({"mean": 2.0, "scv": 4.0, "means": (1.0,)}, "of mean and scv and means: give"),
        ({}, "of nothing: give"),
        ({"mean": 2.0, "scv": 0.5}, r"scv is 0\.5: give a finite number, 1 or more"),
        ({"probabilities": (0.5, 0.6), "means": (1.0, 2.0)}, r"\[0\.5, 0\.6\]: give .* sum to 1"),
        ({"probabilities": (1.0,), "means": (0.0,)}, r"means is \[0\.0\]"),
        ({"probabilities": (1.0,), "means": (1.0, 2.0)}, "1 probabilities and 2 means"),
    ],
)
def test_hyperexponentials_that_say_too_little_or_too_much_are_refused(
    given: dict[str, object], message: str
) -> None:
    """Four figures can contradict one another, and scv below 1 has no such mixture."""
    with pytest.raises(InvalidSystem, match=message):
        Hyperexponential(**given)  # type: ignore[arg-type]


def test_a_phase_type_follows_its_matrix_exponential() -> None:
    """P(T > t) = initial expm(generator t) 1 is what the chain means; 99.9% half-widths."""
    draws = COXIAN.sample(np.random.default_rng(5), 40_000)
    for minutes in (0.3, 1.0, 4.0, 10.0):
        left = np.array(COXIAN.initial) @ expm(np.array(COXIAN.generator) * minutes)
        assert_holds(float(left.sum()), (draws > minutes).astype(float), precision=0.15)


def test_a_chain_of_equal_phases_is_erlang() -> None:
    """Phases one after the other are the sum of their exponential times."""
    chain = PhaseType(
        initial=(1.0, 0.0, 0.0), generator=((-2.0, 2.0, 0.0), (0.0, -2.0, 2.0), (0.0, 0.0, -2.0))
    )
    erlang = Erlang(mean=1.5, phases=3)
    assert (chain.mean, chain.scv) == pytest.approx((erlang.mean, erlang.scv))


def test_customers_of_a_phase_type_are_independent() -> None:
    """Each has a stream of his own; neighbours' durations must not show it: |r| < 3.29/sqrt(n)."""
    draws = COXIAN.sample(np.random.default_rng(6), 50_000)
    ranks = stats.rankdata(draws)
    assert abs(np.corrcoef(ranks[:-1], ranks[1:])[0, 1]) < 3.29 / np.sqrt(50_000)


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (((-1.0, 1.0),), r"rows of \[2\] rates: give 2 rows of 2"),
        (((-1.0, 1.0), (0.0,)), r"rows of \[2, 1\] rates"),
        (((-1.0, -0.5), (0.0, -1.0)), "0 or more elsewhere"),
        (((0.0, 0.0), (0.0, -1.0)), "below 0 on the diagonal"),
        (((-1.0, math.inf), (0.0, -1.0)), "give finite rates"),
        (((-1.0, 1.5), (0.0, -1.0)), r"row 1 sums to 0\.5: give rows that sum to 0 or less"),
        (((-1.0, 1.0), (1.0, -1.0)), "from phase 1 there is no way to the end"),
    ],
)
def test_chains_that_never_end_or_make_no_sense_are_refused(
    generator: tuple[tuple[float, ...], ...], message: str
) -> None:
    """A chain without an end would be simulated for ever."""
    with pytest.raises(InvalidSystem, match=message):
        PhaseType(initial=(0.5, 0.5), generator=generator)
    with pytest.raises(InvalidSystem, match="initial is"):
        PhaseType(initial=(0.5, 0.4), generator=generator)


def test_weibull_shapes_have_their_closed_form() -> None:
    """Shape 1 is exponential and shape 1/2 the square of one, with scv Gamma(5)/Gamma(3)**2 - 1."""
    assert Weibull(mean=2.0, shape=1.0).scv == pytest.approx(1.0)
    assert Weibull(mean=2.0, shape=0.5).scv == pytest.approx(5.0)
    assert math.isfinite(Weibull(mean=2.0, shape=0.01).scv)
    with pytest.raises(
        InvalidSystem, match=r"shape is 0\.009: give a finite number, 0\.01 or more"
    ):
        Weibull(mean=2.0, shape=0.009)


def test_measured_durations_are_drawn_as_often_as_they_were_measured() -> None:
    """Half of these four are 2, and nothing between the measured ones is ever drawn."""
    draws = EVERY["empirical"].sample(np.random.default_rng(8), 40_000)
    assert set(draws) == {0.5, 2.0, 9.0}
    assert_holds(0.5, (draws == 2.0).astype(float), precision=0.05)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_measured_durations_are_read_from_a_file(tmp_path: Path, suffix: str) -> None:
    """The column of a log is what the user has; both formats must give the same."""
    frame = pd.DataFrame({"agent": ["a", "b", "c"], "minutes": [0.5, 2.0, 9.0]})
    path = tmp_path / f"handled.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    assert Empirical.from_file(path, "minutes") == Empirical(values=(0.5, 2.0, 9.0))
    with pytest.raises(InvalidVolumes, match="no column 'seconds'; it has agent, minutes"):
        Empirical.from_file(path, "seconds")


def test_lines_that_are_no_duration_are_all_named(tmp_path: Path) -> None:
    """A log is mended in one go, with an editor that shows line numbers."""
    path = tmp_path / "handled.csv"
    path.write_text("agent,minutes\na,1\n\nb,-2\nc,soon\nd,\ne,inf\nf,3,4\n")
    with pytest.raises(InvalidVolumes) as caught:
        Empirical.from_file(path, "minutes")
    assert str(caught.value) == (
        f"{path}: 5 faults:\n"
        "  line 4: minutes '-2': give minutes, 0 or more\n"
        "  line 5: minutes 'soon': give minutes, 0 or more\n"
        "  line 6: minutes '': give minutes, 0 or more\n"
        "  line 7: minutes 'inf': give minutes, 0 or more\n"
        "  line 8: 3 fields, where the header has 2"
    )


@pytest.mark.parametrize("values", [(), (0.0, 0.0), (1.0, -1.0), (1.0, math.nan)])
def test_durations_that_cannot_have_been_measured_are_refused(values: tuple[float, ...]) -> None:
    """Their mean would be nothing, or not exist."""
    with pytest.raises(InvalidSystem, match="values is"):
        Empirical(values=values)


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        (stats.norm(3.0), r"scipy.stats.norm\(3.0\)\): begins at -inf minutes"),
        (stats.gamma(2.0, loc=-1.0), "begins at -1 minutes: shift or truncate"),
        (stats.pareto(0.9), "mean inf"),
        (stats.invgauss(-1.0), "the family refuses these parameters"),
        (stats.gamma([1.0, 2.0]), "several distributions at once"),
        (stats.poisson(2.0), "no frozen continuous distribution"),
        (stats.gamma, "no frozen continuous distribution"),
        (3.0, r"Frozen: 3\.0 is no frozen"),
    ],
)
def test_distributions_of_no_duration_are_refused(distribution: object, message: str) -> None:
    """A negative duration would turn the clock back."""
    with pytest.raises(InvalidSystem, match=message):
        Frozen(distribution=distribution)


def test_an_infinite_variance_is_said_to_be_one() -> None:
    """Heavy tails are real, and formulas that need the variance must see that there is none."""
    heavy = Frozen(distribution=stats.pareto(1.5))
    assert heavy.mean == pytest.approx(3.0)
    assert heavy.scv == math.inf


def test_frozen_distributions_are_compared_by_their_parameters() -> None:
    """SciPy compares objects, so that a scenario would not equal its copy."""
    assert Frozen(distribution=stats.gamma(2.0)) == Frozen(distribution=stats.gamma(2.0))
    assert Frozen(distribution=stats.gamma(2.0)) != Frozen(distribution=stats.gamma(2.1))
    assert Frozen(distribution=stats.gamma(2.0)) != Frozen(distribution=stats.chi2(2.0))
    assert Frozen(distribution=stats.gamma(2.0)) != Exponential(mean=2.0)
