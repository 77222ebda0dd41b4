"""What a surrogate may be used for: one rule a check, its threshold and the reason for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from surrogates.fidelity.assessment import Evidence
    from surrogates.fidelity.familiarity import Familiarity
    from surrogates.fidelity.horizons import Distance, Horizons
    from surrogates.fidelity.standing import Standing

Outcome = Literal["holds", "fails", "unknown", "does not apply"]
_BY_SEVERITY: tuple[Outcome, ...] = ("does not apply", "holds", "unknown", "fails")
Use = Literal["train on it", "short rollouts only", "do not use"]
_Found = tuple[Outcome, str]

COVERAGE = {"50": 0.05, "80": 0.05, "95": 0.03}
"""Largest error of the coverage of each central interval: what a normal law's spread a tenth too
narrow would do (45.6%, 75.1% and 92.2%)."""
SURE = 2.0
"""Standard errors of a coverage that the luck of its epochs may hide or add."""
MARGIN = 0.1
"""Standard deviations by which a distance may exceed chance, what luck may have hidden included: a
shift of the mean this large moves 4% of a normal law, and two batches of a hundred episodes differ
by as much by chance."""
SINGLE = 2.0
"""How many times as much as all quantities together one alone may err: its coverage as a law's
whose spread is a fifth too narrow (41.1%, 69.5% and 88.3%), its distance as a mean that is 0.2
deviations away."""
SURELY = 0.95
"""Probability that nothing but luck makes none of the quantities look farther away than it is."""
LARGEST_TAU_LOSS = 0.1
"""How far tau may fall short of the attainable one: one pair of policies in twenty is then ranked
otherwise than by the simulator's own other days."""
FEWEST_POLICIES = 20
"""Policies that decide differently, below which too few pairs are ranked to say anything."""
SMALLEST_ATTAINABLE = 0.7
"""Attainable tau below which the policies' values are too noisy to be ranked by anybody: the
simulator itself then orders more than three pairs in twenty otherwise on other days."""
LARGEST_GAP = 0.1
"""Optimism about a trained policy that is bearable: a tenth of its cost is what the demo's
policy gains on the best rule, so that more could be all of the gain."""
LARGEST_LAG = 0.1
"""How far a trained policy may stay behind the best of the varied ones, luck included, and be held
to be trained: as far as the gap that it is to show. It is not to be surely behind at all."""
UNFAMILIAR, MOST_UNFAMILIAR = 0.05, 0.2
"""Score below which a question is farther out than 95% of the data's, and the largest share of
such questions: four times what is expected of questions like the data's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of the evidence."""

    name: str
    outcome: Outcome
    reason: str
    """The measured value beside its bound."""
    is_for_short: bool
    """Whether short rollouts need it too, or only training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the surrogate is good for, and why."""

    use: Use
    reason: str
    findings: tuple[Finding, ...]


def judge(evidence: Evidence) -> Verdict:
    """Train on it if every check holds; short rollouts if those hold that these need.

    What could not be measured does not count as holding, nor does an interval that reaches both
    sides of its bound. A question that cannot be put to the
    surrogate at all counts neither way, and the reason stands beside it.
    """
    findings = tuple(
        Finding(name=name, outcome=outcome, reason=reason, is_for_short=is_for_short)
        for name, is_for_short, check in _CHECKS
        for outcome, reason in [check(evidence)]
    )
    for_short = _broken(f for f in findings if f.is_for_short)
    broken = _broken(findings)
    if for_short:
        return Verdict(use="do not use", reason=_listed(for_short), findings=findings)
    if broken:
        return Verdict(use="short rollouts only", reason=_listed(broken), findings=findings)
    return Verdict(use="train on it", reason="every check holds", findings=findings)


def _broken(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.outcome in ("fails", "unknown")]


def _listed(findings: list[Finding]) -> str:
    return "; ".join(f"{finding.name}: {finding.reason}" for finding in findings)


def _coverage(evidence: Evidence) -> _Found:
    found = evidence.one_epoch
    return _pooled(found.scores.coverage, found.coverage_error)


def _given_arrivals(evidence: Evidence) -> _Found:
    found = evidence.conditional
    if found is None:
        return "does not apply", f"{evidence.no_conditional}: the other checks judge alone"
    return _pooled(found.coverage_held, found.coverage_error)


def _pooled(coverage: dict[str, float], error: dict[str, float]) -> _Found:
    judged: list[Outcome] = []
    told = []
    for k, most in COVERAGE.items():
        off, luck = abs(coverage[k] - float(k) / 100), SURE * error[k]
        judged.append(_within(off - luck, off + luck, most))
        told.append(f"{k}% covers {coverage[k]:.1%} (±{most:.0%}, by luck {luck:.1%})")
    outcome = max(judged, key=_BY_SEVERITY.index)
    return outcome, ", ".join(told) + (": score more epochs" if outcome == "unknown" else "")


def _each_quantity(evidence: Evidence) -> _Found:
    """The quantity whose interval errs most: pooled, one that is too wide can hide it."""
    singly = dict(evidence.one_epoch.by_quantity)
    if evidence.conditional is not None:
        held = evidence.conditional.by_quantity
        singly |= {f"{name} of the same customers": found for name, found in held.items()}
    luck = _deviations(2 * len(COVERAGE) * len(singly))
    judged = []
    for name, levels in singly.items():
        for k, most in COVERAGE.items():
            off, error = abs(levels[k].share - float(k) / 100), luck * levels[k].error
            outcome = _within(off - error, off + error, SINGLE * most)
            told = f"{k}% covers {levels[k].share:.1%} of {name} (±{SINGLE * most:.0%}, by luck "
            judged.append((outcome, off / most, f"{told}{error:.1%})"))
    if not judged:
        return "holds", "no quantity can be missed"
    outcome, _, told = max(judged, key=lambda one: (_BY_SEVERITY.index(one[0]), one[1]))
    told = f"of {len(singly)} quantities farthest: {told.replace('_', ' ')}"
    return outcome, f"{told}: score more epochs" if outcome == "unknown" else told


def _deviations(looks: int) -> float:
    """Standard errors that the farthest of so many looks exceeds by luck in 5% (Sidak 1967)."""
    return NormalDist().inv_cdf(SURELY ** (1 / max(1, looks)))


def _within(low: float, high: float, most: float) -> Outcome:
    if low > most:
        return "fails"
    return "unknown" if high > most else "holds"


def _short_horizon(evidence: Evidence) -> _Found:
    return _near(evidence.horizons, evidence.settings.short)


def _midway(evidence: Evidence) -> _Found:
    return _near(evidence.midway, evidence.midway.epochs[-1])


def _whole_horizon(evidence: Evidence) -> _Found:
    return _near(evidence.horizons, evidence.horizons.epochs[-1])


def _near(horizons: Horizons, epoch: int) -> _Found:
    """All quantities together, and each that varies anywhere in the simulator."""
    place = horizons.place(epoch)
    together = horizons.overall[place]
    outcome = _distance(together, MARGIN, looks=1)
    told = (
        f"{together.value:.3f} deviations from the simulator after {horizons.epochs[place]} "
        f"epochs; by chance {together.chance:.3f}, 95% below {together.floor:.3f}; {MARGIN} more "
        "than chance is allowed"
    )
    singly = {
        name: distances[place]
        for name, distances in horizons.by_quantity.items()
        if any(distance.chance > 0.0 for distance in distances)
    }
    if singly:
        outcomes = {n: _distance(d, SINGLE * MARGIN, len(singly)) for n, d in singly.items()}
        name = max(singly, key=lambda n: (_BY_SEVERITY.index(outcomes[n]), singly[n].excess))
        told += (
            f"; of {len(singly)} quantities farthest {name.replace('_', ' ')}, "
            f"{singly[name].excess:+.3f} beyond chance ({SINGLE * MARGIN} allowed, by luck "
            f"{_luck(singly[name], len(singly)):.3f})"
        )
        outcome = max(outcome, outcomes[name], key=_BY_SEVERITY.index)
    return outcome, f"{told}: simulate more episodes" if outcome == "unknown" else told


def _distance(found: Distance, most: float, looks: int) -> Outcome:
    luck = _luck(found, looks)
    if found.excess > most and found.excess > luck:
        return "fails"
    return "unknown" if found.excess + luck > most else "holds"


def _luck(found: Distance, looks: int) -> float:
    """What chance adds to the farthest of so many, as if distances were normal."""
    return (found.floor - found.chance) * _deviations(looks) / _deviations(1)


def _tau(evidence: Evidence) -> _Found:
    tau = evidence.ranking.overall
    told = (
        f"tau {tau.value:.2f} [{tau.low:.2f}, {tau.high:.2f}] over "
        f"{evidence.ranking.distinct} policies that decide differently, the simulator agrees "
        f"with itself on as many other days to {tau.attainable:.2f}: "
        f"{tau.attainable - tau.value:+.2f} [{tau.shortfall_low:+.2f}, {tau.shortfall_high:+.2f}] "
        f"less, {LARGEST_TAU_LOSS} less is allowed"
    )
    if evidence.ranking.distinct < FEWEST_POLICIES:
        return "unknown", f"{told}; fewer than {FEWEST_POLICIES} policies rank too few pairs"
    if tau.attainable < SMALLEST_ATTAINABLE:
        return (
            "unknown",
            f"{told}; below {SMALLEST_ATTAINABLE} it cannot be told: rank on more days",
        )
    if tau.shortfall_low > LARGEST_TAU_LOSS:
        return "fails", told
    if tau.shortfall_high > LARGEST_TAU_LOSS:
        return "unknown", f"{told}, and the interval reaches beyond: rank more on more days"
    return "holds", told


def _gap(evidence: Evidence) -> _Found:
    gap, standing = evidence.gap, evidence.standing
    if gap is None or standing is None:
        return "unknown", "no policy was trained on it"
    told = (
        f"of a trained policy's cost the surrogate hides {gap.value:+.1%} [{gap.low:+.1%}, "
        f"{gap.high:+.1%}]; {LARGEST_GAP:.0%} either way is allowed"
    )
    if gap.low > LARGEST_GAP or gap.high < -LARGEST_GAP:
        return "fails", told
    untrained = _untrained(standing)
    if untrained is not None:
        return "unknown", f"{told}, but {untrained}"
    if gap.low < -LARGEST_GAP or gap.high > LARGEST_GAP:
        return "unknown", f"{told}, and the interval reaches beyond: simulate more days of it"
    return "holds", told


def _untrained(standing: Standing) -> str | None:
    """Why a policy may have learnt too little to find what there is to exploit, where it may."""
    told = (
        f"it ranks {standing.rank} of {standing.policies} in the surrogate itself and costs "
        f"{-standing.lead:+.1%} [{-standing.high:+.1%}, {-standing.low:+.1%}] more there than "
        f"{standing.best}"
    )
    if standing.high < 0.0:
        return f"{told}, so it was hardly trained: give --train-seconds more"
    if standing.low < -LARGEST_LAG:
        return (
            f"{told}, so that it may have hardly been trained ({LARGEST_LAG:.0%} is allowed): "
            "give --train-seconds more, or imagine more episodes"
        )
    return None


def _support(evidence: Evidence) -> _Found:
    return _familiar(evidence.support, "fresh epochs")


def _support_of_trained(evidence: Evidence) -> _Found:
    if evidence.gap is None:
        return "unknown", "no policy was trained on it"
    return _familiar(evidence.support_of_trained, "a trained policy's epochs in the surrogate")


def _familiar(found: Familiarity | None, epochs: str) -> _Found:
    if found is None:
        return "unknown", "nobody noted where the surrogate has been"
    told = (
        f"{found.unfamiliar:.1%} of {epochs} begin farther out than 95% of its data; "
        f"{MOST_UNFAMILIAR:.0%} is allowed"
    )
    return ("holds" if found.unfamiliar <= MOST_UNFAMILIAR else "fails"), told


_CHECKS: tuple[tuple[str, bool, Callable[[Evidence], _Found]], ...] = (
    ("calibration", True, _coverage),
    ("each quantity", True, _each_quantity),
    ("the same customers", True, _given_arrivals),
    ("short horizon", True, _short_horizon),
    ("from midway", True, _midway),
    ("support", True, _support),
    ("whole horizon", False, _whole_horizon),
    ("policy ranking", False, _tau),
    ("exploitation", False, _gap),
    ("support of the trained", False, _support_of_trained),
)
"""Name, whether short rollouts need it, and the check."""
