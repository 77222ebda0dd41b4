"""The scores of a fidelity report, each turned so that less is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from surrogates.fidelity import Evidence

_COVERAGES = ("50", "80", "95")


def _likelihood(evidence: Evidence) -> float | None:
    found = evidence.one_epoch.scores.log_likelihood
    return None if found is None else -found


def _coverage(evidence: Evidence) -> float:
    found = evidence.one_epoch.scores.coverage
    return max(abs(found[name] - int(name) / 100) for name in _COVERAGES)


def _held(evidence: Evidence) -> float | None:
    found = evidence.conditional
    if found is None:
        return None
    return max(abs(found.coverage_held[name] - int(name) / 100) for name in _COVERAGES)


def _gap(evidence: Evidence) -> float | None:
    return None if evidence.gap is None else abs(evidence.gap.value)


def _unfamiliar(evidence: Evidence) -> float | None:
    found = evidence.support_of_trained
    return None if found is None else found.unfamiliar


SCORES: Mapping[str, Callable[[Evidence], float | None]] = {
    "CRPS of one epoch": lambda e: e.one_epoch.scores.standardised_crps,
    "energy score of one epoch": lambda e: e.one_epoch.scores.energy,
    "negative log likelihood": _likelihood,
    "largest error of coverage": _coverage,
    "largest miss of coverage, arrivals held": _held,
    "distance after a short rollout": lambda e: e.midway.overall[-1].value,
    "distance at the end of the day": lambda e: e.horizons.overall[-1].value,
    "1 - tau of 20 policies": lambda e: 1.0 - e.ranking.overall.value,
    "1 - tau of the better half": lambda e: 1.0 - e.ranking.better_half.value,
    "gap of policies not trained on it": lambda e: abs(e.untrained_gap.value),
    "gap of the policy trained on it": _gap,
    "share of unfamiliar questions": _unfamiliar,
}
"""By the name that tables call them. The last two look at the trained policy itself: they can be
had only after a training, and the gap only from days of the simulator under that policy."""


def scores_of(evidence: Evidence) -> dict[str, float | None]:
    """All of them."""
    return {name: score(evidence) for name, score in SCORES.items()}
