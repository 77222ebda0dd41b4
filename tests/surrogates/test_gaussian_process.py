import numpy as np
import pytest

from sim.description import SystemDescription
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset, TamperedArtefact
from surrogates.gaussian_process import (
    GaussianProcessSettings,
    GaussianProcessSurrogate,
    fit_gaussian_process,
)
from surrogates.interface import Surrogate
from surrogates.scores import score

SMALL = GaussianProcessSettings(inducing=16, steps=3, batch=32)


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


def test_fewer_rows_than_inducing_points_still_fit(
    transitions: Transitions, description: SystemDescription
) -> None:
    """The first day of a new system is when a cheap answer is wanted most."""
    day = transitions.take(transitions.episode == 0)
    gp = fit_gaussian_process(
        day, description, GaussianProcessSettings(steps=3), np.random.default_rng(0)
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
