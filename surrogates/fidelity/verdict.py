"""What a surrogate may be used for: one rule a check, its threshold and the reason for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from surrogates.fidelity.one_epoch import middle_half

if TYPE_CHECKING:
    from surrogates.fidelity.assessment import Evidence
    from surrogates.fidelity.horizons import Distance

Outcome = Literal["holds", "fails", "unknown", "does not apply"]
Use = Literal["train on it", "short rollouts only", "do not use"]
_Found = tuple[Outcome, str]

COVERAGE = {"50": 0.05, "80": 0.05, "95": 0.03}
"""Largest error of the coverage of each central interval: what a normal law's spread a tenth too
narrow would do (45.6%, 75.1% and 92.2%)."""
SURE = 2.0
"""Standard errors of a coverage that a few epochs' luck may add to its error."""
MARGIN = 0.1
"""Standard deviations by which a distance may exceed chance, what luck may have hidden included: a
shift of the mean this large moves 4% of a normal law, and two batches of a hundred episodes differ
by as much by chance."""
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
    coverage = evidence.one_epoch.scores.coverage
    held = all(abs(coverage[k] - float(k) / 100) <= most for k, most in COVERAGE.items())
    told = ", ".join(f"{k}% covers {coverage[k]:.1%} (±{most:.0%})" for k, most in COVERAGE.items())
    return ("holds" if held else "fails"), f"{told}; {_farthest(evidence.one_epoch.pit)}"


def _farthest(pit: dict[str, tuple[int, ...]]) -> str:
    """The quantity whose middle half is most wrong: pooled, one that is too wide can hide it."""
    middle = {name: middle_half(counts) for name, counts in pit.items()}
    name = max(middle, key=lambda one: abs(middle[one] - 0.5))
    return f"of single quantities farthest {name.replace('_', ' ')}, 50% covers {middle[name]:.0%}"


def _given_arrivals(evidence: Evidence) -> _Found:
    found = evidence.conditional
    if found is None:
        return "does not apply", f"{evidence.no_conditional}: the other checks judge alone"
    luck = {k: SURE * found.coverage_error[k] for k in COVERAGE}
    bounds = {k: most + luck[k] for k, most in COVERAGE.items()}
    told = ", ".join(
        f"{k}% covers {found.coverage_held[k]:.1%} (±{most:.1%})" for k, most in bounds.items()
    )
    told += f"; up to {max(luck.values()):.1%} of the bounds is for the luck of {found.rows} epochs"
    if any(luck[k] > most for k, most in COVERAGE.items()):
        return "unknown", f"{told}, more than the error looked for: replay more"
    held = all(abs(found.coverage_held[k] - float(k) / 100) <= most for k, most in bounds.items())
    return ("holds" if held else "fails"), told


def _short_horizon(evidence: Evidence) -> _Found:
    epochs = min(evidence.settings.short, evidence.horizons.epochs[-1])
    return _near(evidence.horizons.at(epochs), epochs)


def _midway(evidence: Evidence) -> _Found:
    return _near(evidence.midway.overall[-1], evidence.midway.epochs[-1])


def _whole_horizon(evidence: Evidence) -> _Found:
    return _near(evidence.horizons.overall[-1], evidence.horizons.epochs[-1])


def _near(found: Distance, epochs: int) -> _Found:
    told = (
        f"{found.value:.3f} deviations from the simulator after {epochs} epochs; by chance "
        f"{found.chance:.3f}, 95% below {found.floor:.3f}; {MARGIN} more than chance is allowed"
    )
    if found.excess > MARGIN and found.value > found.floor:
        return "fails", told
    luck = found.floor - found.chance
    if found.excess + luck > MARGIN:
        return "unknown", f"{told}, and with luck it is that much: simulate more episodes"
    return "holds", told


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
    gap = evidence.gap
    if gap is None:
        return "unknown", "no policy was trained on it"
    told = (
        f"of a trained policy's cost the surrogate hides {gap.value:+.1%} [{gap.low:+.1%}, "
        f"{gap.high:+.1%}]; {LARGEST_GAP:.0%} either way is allowed"
    )
    if gap.low > LARGEST_GAP or gap.high < -LARGEST_GAP:
        return "fails", told
    if gap.low < -LARGEST_GAP or gap.high > LARGEST_GAP:
        return "unknown", f"{told}, and the interval reaches beyond: simulate more days of it"
    return "holds", told


def _support(evidence: Evidence) -> _Found:
    if evidence.support is None:
        return "unknown", "nobody noted where the surrogate has been"
    share = evidence.support.unfamiliar
    told = (
        f"{share:.1%} of fresh epochs begin farther out than 95% of its data; "
        f"{MOST_UNFAMILIAR:.0%} is allowed"
    )
    return ("holds" if share <= MOST_UNFAMILIAR else "fails"), told


_CHECKS: tuple[tuple[str, bool, Callable[[Evidence], _Found]], ...] = (
    ("calibration", True, _coverage),
    ("the same customers", True, _given_arrivals),
    ("short horizon", True, _short_horizon),
    ("from midway", True, _midway),
    ("support", True, _support),
    ("whole horizon", False, _whole_horizon),
    ("policy ranking", False, _tau),
    ("exploitation", False, _gap),
)
"""Name, whether short rollouts need it, and the check."""
