from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from sim.description import SystemDescription
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset, TamperedArtefact
from surrogates.gaussian_process import (
    GaussianProcessSettings,
    GaussianProcessSurrogate,
    fit_gaussian_process,
)
from surrogates.gaussian_process.functions import draw_functions
from surrogates.gaussian_process.kernel import Shape, matern
from surrogates.gaussian_process.line import LEVEL, SLOPE_VARIANCES, fit_line
from surrogates.gaussian_process.noise import fit_noise, spreads_of
from surrogates.gaussian_process.posterior import prior_at, solve
from surrogates.gaussian_process.processes import Processes
from surrogates.interface import Surrogate
from surrogates.lessons import Lessons
from surrogates.scores import score

SMALL = GaussianProcessSettings(inducing=16, steps=3, batch=32, exact_rows=0)


def test_the_processes_beat_the_marginal_distribution(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Knowing the state must be worth something, or the family is not worth its fit."""
    gp, mean = (
        score(fitted[name], held_out, np.random.default_rng(0), draws=32) for name in ("gp", "mean")
    )
    assert gp.standardised_crps < 0.6 * mean.standardised_crps
    assert gp.log_likelihood is not None
    assert mean.log_likelihood is not None
    assert gp.log_likelihood > mean.log_likelihood


def test_intervals_of_the_processes_are_not_too_narrow(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Honest uncertainty is the family's purpose: three points are left to 15 dependent days.

    A normal is too wide in the middle where queues are mostly empty, so above there is more room.
    """
    coverage = score(fitted["gp"], held_out, np.random.default_rng(0)).coverage
    for level, share in coverage.items():
        assert float(level) / 100 - 0.03 < share < float(level) / 100 + 0.12


def test_a_draw_depends_only_on_its_own_row(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Rows of a batch are separate worlds: their company must not change a likelihood."""
    gp = fitted["gp"]
    assert isinstance(gp, GaussianProcessSurrogate)
    alone = [gp.log_prob(held_out.take(np.array([i])))[0] for i in range(5)]
    assert gp.log_prob(held_out)[:5] == pytest.approx(alone, rel=1e-4)


def test_the_same_seed_fits_the_same_processes(
    transitions: Transitions, description: SystemDescription
) -> None:
    """Lineage promises that data, settings and seed bring the same weights back."""
    few = transitions.take(np.arange(300))
    first, second = (
        fit_gaussian_process(few, description, SMALL, np.random.default_rng(7)).to_tensors()
        for _ in range(2)
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_progress_rises_to_one(transitions: Transitions, description: SystemDescription) -> None:
    """A job that waits for 1 must see it, and nobody likes a bar that runs back."""
    heard: list[float] = []
    few = transitions.take(np.arange(300))
    fit_gaussian_process(few, description, SMALL, np.random.default_rng(7), heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def sixty_rows() -> Lessons:
    """One number of two features."""
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 2))
    targets = np.sin(2 * features[:, 0]) + 0.2 * random.normal(size=60)
    return lessons_of(features, targets)


def lessons_of(features: np.ndarray, targets: np.ndarray, free: int | None = None) -> Lessons:
    """One number; only the first rows are free where so many are given."""
    return Lessons(
        shared=np.column_stack([features, targets]).astype(np.float32),
        bounds=np.zeros((1, len(targets), 2), np.float32),
        targets=targets[None].astype(np.float32),
        is_free=np.arange(len(targets))[None] < (free or len(targets)),
    )


SHAPE = Shape(length_scale=np.array([0.8, 2.0, 1.0, 1.0, 1.0]), output_scale=1.3, noise=0.05)


def processes_of(solved: dict[str, np.ndarray]) -> Processes:
    return Processes(**{name: np.asarray(a)[None].astype(np.float32) for name, a in solved.items()})


@pytest.mark.parametrize("every", [1, 4])
def test_inference_is_that_of_the_textbook(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no inducing point could explain varies by itself in every row, and slopes are normal.

    See Snelson and Ghahramani (2006), and Rasmussen and Williams (2006, 2.7) for the slopes; with
    every row an inducing point what is unexplained is the jitter alone.
    """
    monkeypatch.setattr("surrogates.gaussian_process.line.SLOPE_VARIANCES", np.array([0.3]))
    lessons = sixty_rows()
    solved = solve(lessons, 0, np.arange(0, 60, every), SHAPE)
    processes = processes_of(solved)
    seen = lessons.inputs(0, slice(None))
    asked = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    asked[:, 2:] = 0.0
    points = seen[::every] / SHAPE.length_scale
    rows, across = (
        matern(given / SHAPE.length_scale, points, SHAPE.output_scale) for given in (seen, asked)
    )
    reached = np.linalg.solve(prior_at(points, SHAPE.output_scale), rows.T)
    between, across = rows @ reached, across @ reached
    unexplained = np.diag(SHAPE.output_scale - np.diag(between))
    slopes = 0.3 * np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    level = 0.3 * LEVEL**2
    between = between + (seen * slopes) @ seen.T + level
    across = across + (asked * slopes) @ seen.T + level
    # The noise that the posterior used is the first fit's: find it as `solve` does.
    precision = np.linalg.inv(between + unexplained + SHAPE.noise * np.eye(60))
    mean = between @ precision @ lessons.targets[0]
    # Without its own row, each has a miss with this variance (Rasmussen and Williams 2006, 5.4.2).
    variance = 1.0 / np.diag(precision)
    misses = precision @ lessons.targets[0] * variance
    spreads = spreads_of(
        seen.astype(float), lessons.targets[0].astype(float), misses, variance - SHAPE.noise
    )
    noise = fit_noise(np.column_stack([seen, mean]), spreads).fitted
    gain = np.linalg.solve(between + unexplained + np.diag(noise), across.T).T
    belief = processes.predict(0, asked)
    # Directions that the data say little of are left out of the doubt.
    assert belief.mean == pytest.approx(gain @ lessons.targets[0], abs=0.003)
    explained = (gain * across).sum(axis=1)
    prior = SHAPE.output_scale + np.square(asked) @ slopes + level
    assert belief.doubt == pytest.approx(prior - explained, abs=0.03)


def test_how_far_slopes_may_go_is_weighed_by_the_evidence() -> None:
    """The line's law is a mixture over prior variances: the same mean and covariance."""
    random = np.random.default_rng(3)
    design = np.column_stack([random.normal(size=(30, 4)), np.ones(30)])
    design[:, 2] = 0.0
    targets = design @ [0.4, -0.1, 0.0, 0.0, 0.5] + random.normal(size=30)
    line = fit_line(design.T @ design, design.T @ targets, np.array([1.0, 1.0, 0.0, 1.0, 1.0]))
    scale = np.diag([1.0, 1.0, 0.0, 1.0, LEVEL**2])
    found = []
    for variance in SLOPE_VARIANCES:
        prior = variance * scale
        gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + np.eye(30))
        evidence = multivariate_normal.pdf(targets, cov=design @ prior @ design.T + np.eye(30))
        found.append((evidence, gain @ targets, prior - gain @ design @ prior))
    share = np.array([each[0] for each in found]) / sum(each[0] for each in found)
    weights = sum(p * each[1] for p, each in zip(share, found, strict=True))
    covariance = sum(
        p * (each[2] + np.outer(each[1] - weights, each[1] - weights))
        for p, each in zip(share, found, strict=True)
    )
    assert line.weights == pytest.approx(weights, abs=1e-9)
    assert line.spread @ line.spread.T == pytest.approx(covariance, abs=1e-9)


@pytest.mark.parametrize("points", [60, 20])
def test_doubt_about_a_line_is_as_large_as_its_errors(points: int) -> None:
    """Few rows tell slopes badly, and whoever takes them for known is sure of what is wrong.

    Errors of the mean at the edge of the data, over 60 fits to 60 rows, in deviations of doubt:
    their mean square has a standard error of 0.2; without the line's doubt it was 13.
    """
    off = []
    slopes = np.array([0.5, -0.4, 0.3, 0.3, -0.2, 0.2, 0.0, 0.0])
    shape = Shape(length_scale=np.full(11, 5.0), output_scale=0.02, noise=0.4)
    for seed in range(60):
        random = np.random.default_rng(seed)
        features = random.normal(size=(60, 8))
        lessons = lessons_of(features, features @ slopes + np.sqrt(0.4) * random.normal(size=60))
        processes = processes_of(solve(lessons, 0, np.arange(points), shape))
        asked = np.zeros((1, 11), np.float32)
        asked[0, :8] = 2.0 * random.normal(size=8)
        belief = processes.predict(0, asked)
        off.append((belief.mean[0] - asked[0, :8] @ slopes) / np.sqrt(belief.doubt[0]))
    assert 0.5 < np.square(off).mean() < 1.6


def test_functions_drawn_have_the_mean_and_doubt_of_the_process() -> None:
    """Draws of worlds and doubt must be one belief; four standard errors, and the cosines'."""
    lessons = sixty_rows()
    processes = processes_of(solve(lessons, 0, np.arange(0, 60, 2), SHAPE))
    count = 3000
    functions = draw_functions(processes, count, np.random.default_rng(2))
    asked = np.zeros((4, 5), np.float32)
    asked[:, 0] = [-2.5, -0.5, 0.7, 3.0]
    belief = processes.predict(0, asked)
    drawn = np.stack(
        [functions.deviation(0, np.tile(row, (count, 1)), np.arange(count)) for row in asked]
    )
    error = np.sqrt(belief.doubt / count)
    mean = belief.mean - processes.straight(0, asked)
    assert (np.abs(drawn.mean(axis=1) - mean) < 4 * error + 0.02).all()
    assert drawn.var(axis=1) == pytest.approx(belief.doubt, rel=0.25, abs=0.01)


@pytest.mark.parametrize(("rows", "points"), [(120, 120), (600, 20)])
def test_intervals_hold_what_they_promise(rows: int, points: int) -> None:
    """A mean that follows its own rows must not hide noise, nor one that cannot follow be noise.

    The truth is a draw of the process, so only the noise can be wrong. Tolerance: four standard
    errors of twenty fits are four points, the jitter and the directions left out another one.
    """
    covered = np.mean([coverage_of_a_fit(rows, points, seed) for seed in range(20)], axis=0)
    assert covered == pytest.approx([0.5, 0.8, 0.95], abs=0.05)


def coverage_of_a_fit(rows: int, points: int, seed: int) -> list[float]:
    """Shares of 400 new rows in the intervals of 50%, 80% and 95%."""
    random = np.random.default_rng(seed)
    features = random.uniform(-2.0, 2.0, size=(rows + 400, 2))
    # Student's t with five degrees of freedom is the spectrum of Matérn 5/2.
    frequencies = random.normal(size=(2, 300)) / np.sqrt(random.chisquare(5, 300) / 5)
    angles = features @ frequencies / 0.8 + random.uniform(0, 2 * np.pi, 300)
    truth = np.sqrt(2.0 / 300) * np.cos(angles) @ random.normal(size=300)
    targets = truth + 0.5 * random.normal(size=len(truth))
    shape = Shape(length_scale=np.full(5, 0.8), output_scale=1.0, noise=0.25)
    lessons = lessons_of(features, targets, rows)
    solved = solve(lessons, 0, np.arange(points), shape)
    asked = np.arange(rows, len(targets))
    belief = processes_of(solved).predict(0, lessons.inputs(0, asked))
    off = np.abs(targets[asked] - belief.mean) / np.sqrt(belief.doubt + belief.noise)
    return [float(np.mean(off < edge)) for edge in map(norm.ppf, (0.75, 0.9, 0.975))]


def test_repeated_questions_tell_the_noise_without_a_model() -> None:
    """The spread of replications about their own mean holds no error of any fitted mean."""
    inputs = np.repeat([[0.0], [1.0], [2.0]], [4, 1, 2], axis=0)
    targets = np.array([1.0, 2.0, 3.0, 2.0, 7.0, 4.0, 6.0])
    spreads = spreads_of(inputs, targets, targets - 100.0, np.full(7, 0.3))
    assert spreads.squared == pytest.approx([2 / 3] * 4 + [93.0**2] + [2.0] * 2)
    assert spreads.doubt == pytest.approx([0.0] * 4 + [0.3] + [0.0] * 2)
    assert spreads.weight == pytest.approx([0.75] * 4 + [1.0] + [0.5] * 2)


def test_few_rows_are_inferred_exactly(
    transitions: Transitions, description: SystemDescription
) -> None:
    """Every row is then an inducing point, and the shapes climb the exact evidence."""
    few = transitions.take(np.arange(56))
    exact = replace(SMALL, exact_rows=56)
    gp = fit_gaussian_process(few, description, exact, np.random.default_rng(7))
    assert gp.to_tensors()["processes.inducing"].shape[1] == 56
    assert np.isfinite(gp.log_prob(few)).all()


def test_an_artefact_of_an_older_release_answers_the_same(
    fitted: dict[str, Surrogate], description: SystemDescription, held_out: Transitions
) -> None:
    """Its factors were square and it had no settings; what it believes must not change."""
    gp = fitted["gp"]
    assert isinstance(gp, GaussianProcessSurrogate)
    tensors = {k: v for k, v in gp.to_tensors().items() if not k.startswith("settings.")}
    readout = tensors["processes.readout"]
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=[readout.shape[2] - 1] * 2))
    square = np.concatenate([readout[:, :, :1], readout[:, :, 1:] @ turn], axis=2)
    tensors["processes.readout"] = square.astype(np.float32)
    again = GaussianProcessSurrogate.from_tensors(tensors, description)
    assert again.log_prob(held_out) == pytest.approx(gp.log_prob(held_out), rel=1e-3)


def test_fewer_rows_than_inducing_points_still_fit(
    transitions: Transitions, description: SystemDescription
) -> None:
    """The first day of a new system is when a cheap answer is wanted most."""
    day = transitions.take(transitions.episode == 0)
    gp = fit_gaussian_process(
        day, description, GaussianProcessSettings(steps=3, exact_rows=0), np.random.default_rng(0)
    )
    assert np.isfinite(gp.log_prob(day)).all()


def test_arrays_of_another_shape_are_refused(
    fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """A broadcast could otherwise make an answer out of another system's processes."""
    gp = fitted["gp"]
    assert isinstance(gp, GaussianProcessSurrogate)
    tensors = gp.to_tensors()
    tensors["processes.slope"] = tensors["processes.slope"][:, :-1]
    with pytest.raises(TamperedArtefact, match="fit again for this system"):
        GaussianProcessSurrogate.from_tensors(tensors, description)


def test_settings_that_cannot_fit_are_refused() -> None:
    """The value and the bound belong in the message, not in a stack trace of a library."""
    with pytest.raises(InvalidDataset, match="steps 0: above 0"):
        GaussianProcessSettings(steps=0)
