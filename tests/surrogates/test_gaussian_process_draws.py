"""Draws of the Gaussian processes come by a shorter way than likelihood and doubt."""

import numpy as np
import pytest
from jaxtyping import Float, Float32
from scipy.stats import kstest, norm

from sim.description import SystemDescription
from surrogates.dataset import Transitions
from surrogates.gaussian_process import GaussianProcessSurrogate
from surrogates.gaussian_process.kernel import Shape, matern
from surrogates.gaussian_process.posterior import solve
from surrogates.gaussian_process.processes import Processes
from surrogates.gaussian_process.sketch import Correlator, Sketch, abridge
from surrogates.interface import Surrogate
from surrogates.lessons import Lessons, prepare
from surrogates.stepwise import Rows


def smooth_process(wave: float, noise: float = 0.3) -> tuple[Processes, Lessons]:
    """One number of two features, known from 150 inducing points among 600 rows."""
    random = np.random.default_rng(0)
    features = random.normal(size=(600, 2))
    targets = np.sin(wave * features[:, 0]) + noise * random.normal(size=600)
    lessons = Lessons(
        shared=np.column_stack([features, targets]).astype(np.float32),
        bounds=np.zeros((1, 600, 2), np.float32),
        targets=targets[None].astype(np.float32),
        is_free=np.ones((1, 600), dtype=bool),
    )
    length = np.array([2.0 / wave, 4.0, 1.0, 1.0, 1.0])
    shape = Shape(length_scale=length, output_scale=1.0, noise=noise**2)
    solved = solve(lessons, 0, np.arange(150), shape)
    arrays = {name: np.asarray(a)[None].astype(np.float32) for name, a in solved.items()}
    return Processes(**arrays), lessons


@pytest.fixture(scope="module")
def gp(fitted: dict[str, Surrogate]) -> GaussianProcessSurrogate:
    surrogate = fitted["gp"]
    assert isinstance(surrogate, GaussianProcessSurrogate)
    return surrogate


def compare(
    sketch: Sketch, processes: Processes, position: int, inputs: Float32[np.ndarray, "row input"]
) -> tuple[Float[np.ndarray, "row"], Float[np.ndarray, "row"]]:
    """How far the sketch's mean and variance lie off, in deviations and shares of the variance."""
    belief = processes.predict(position, inputs)
    mean, doubt = sketch(inputs)
    variance = belief.doubt + belief.noise
    off = processes.straight(position, inputs) + mean - belief.mean
    return off / np.sqrt(variance), (doubt - belief.doubt) / variance


@pytest.mark.parametrize("position", [0, 3, 17])
def test_fast_correlations_are_those_of_the_kernel(
    gp: GaussianProcessSurrogate, position: int
) -> None:
    """At an inducing point, near one, and so far that nothing is left of a correlation.

    Squared distances have the rounding of the squared lengths they are the difference of, some
    1e-5; a correlation falls by a sixth of five times that.
    """
    processes = gp._processes
    length, points = processes.length_scale[position], processes.inducing[position]
    # Multiples leave the hidden inputs at nought, as they are where a process is asked.
    rows = np.concatenate([points, 1.01 * points, 0.5 * points, 1e4 * points[:3]])
    exact = matern(rows.astype(float), points.astype(float), 1.0)
    found = np.empty_like(exact)
    for part, correlation in Correlator.of(processes, position)(rows * length):
        found[part] = correlation.T
    assert found == pytest.approx(exact, abs=5e-5)


def test_a_draw_is_a_little_wider_than_believed_and_not_narrower(
    gp: GaussianProcessSurrogate, held_out: Transitions
) -> None:
    """Factors that are left out explain nothing, so doubt may only grow, by half a percent.

    Twice as much is allowed of days that the readout was not chosen on; below, single precision.
    """
    _, lessons = prepare(held_out, gp._coordinates, gp._scales)
    for position, sketch in enumerate(gp._sketches):
        inputs = lessons.inputs(position, lessons.free_rows(position))
        off, wider = compare(sketch, gp._processes, position, inputs)
        assert np.abs(off).max() < 1e-2
        assert wider.min() > -1e-3
        assert wider.mean() < 0.01


def test_draws_are_of_the_law_that_is_believed(
    gp: GaussianProcessSurrogate, held_out: Transitions
) -> None:
    """The probability integral transform of draws is even: Kolmogorov's distance at 99.9%."""
    _, lessons = prepare(held_out, gp._coordinates, gp._scales)
    for position in (0, 1, 4, 15):
        rows = np.resize(lessons.free_rows(position), 20_000)
        inputs = lessons.inputs(position, rows)
        drawn = gp._draw(position, inputs, np.random.default_rng(position))
        mean, deviation = gp._predict(position, inputs)
        ranks = norm.cdf((drawn - mean) / deviation)
        assert kstest(ranks, "uniform").statistic < 1.95 / np.sqrt(len(ranks))


def test_a_smooth_process_is_told_by_few_of_its_points() -> None:
    """Where few points read the same, the others cost time and tell nothing."""
    processes, lessons = smooth_process(wave=1.0)
    inputs = lessons.inputs(0, slice(None))
    abridged = abridge(processes, 0, inputs[150:400])
    assert abridged.readout.any(axis=0).sum() < 65
    asked = lessons.inputs(0, np.arange(400, 600))
    off, wider = compare(Sketch.of(processes, 0, abridged), processes, 0, asked)
    assert np.sqrt(np.square(off).mean()) < 0.05
    assert abs(wider.mean()) < 0.02


def test_a_rough_process_keeps_all_its_points() -> None:
    """What many points know cannot be told by few: its mean has to stay as it is."""
    processes, lessons = smooth_process(wave=12.0, noise=0.02)
    abridged = abridge(processes, 0, lessons.inputs(0, np.arange(150, 400)))
    assert abridged.readout.any(axis=0).all()


def test_an_artefact_without_readouts_for_draws_draws_the_same_law(
    gp: GaussianProcessSurrogate, description: SystemDescription, held_out: Transitions
) -> None:
    """Earlier releases wrote none: they are chosen when the artefact is asked to draw.

    They also took the line for known, and so it stays.
    """
    newer = ("draws.", "processes.spread", "processes.give")
    tensors = {k: v for k, v in gp.to_tensors().items() if not k.startswith(newer)}
    older = GaussianProcessSurrogate.from_tensors(tensors, description)
    _, lessons = prepare(held_out, gp._coordinates, gp._scales)
    for position, sketch in enumerate(older._sketches):
        inputs = lessons.inputs(position, lessons.free_rows(position))
        off, wider = compare(sketch, older._processes, position, inputs)
        assert np.abs(off).max() < 1e-2
        assert wider.min() > -1e-3
        assert wider.mean() < 0.015


def test_a_model_is_asked_only_where_something_is_free(
    gp: GaussianProcessSurrogate, held_out: Transitions
) -> None:
    """Bounds that meet settle a number whatever is drawn, so asking everywhere changes nothing."""
    asked: dict[bool, list[int]] = {False: [], True: []}
    settled = []
    for everywhere in (False, True):

        def draw(
            position: int,
            inputs: Float32[np.ndarray, "rows input"],
            rows: Rows,
            asked: list[int] = asked[everywhere],
        ) -> Float[np.ndarray, "rows"]:
            del rows
            asked.append(len(inputs))
            return gp.unscale(position, np.tanh(inputs.sum(axis=1)))

        t = held_out
        epochs = gp.walk(t.state, t.decision, t.parameters, draw, everywhere=everywhere)
        settled.append(epochs)
    assert np.array_equal(settled[0].state, settled[1].state)
    assert np.array_equal(settled[0].outputs, settled[1].outputs)
    assert asked[True] == [len(held_out)] * len(gp._sketches)
    assert sum(asked[False]) < sum(asked[True])
