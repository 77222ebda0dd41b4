"""How many agents: the square-root rule, its limit, and least staffing against delay."""

from __future__ import annotations

from math import ceil, sqrt

from scipy.stats import norm, poisson

from sim.analytic.stability import refuse_unless_positive, refuse_unless_probability


def halfin_whitt(slack: float) -> float:
    """Limit of Erlang C under square-root staffing, agents = load + slack * sqrt(load).

    Source: Halfin and Whitt (1981). The slack must be above 0.
    """
    refuse_unless_positive(slack=slack)
    return float(1.0 / (1.0 + slack * norm.cdf(slack) / norm.pdf(slack)))


def square_root_staffing(offered_load: float, slack: float) -> int:
    """Agents by the square-root rule: the offered load and `slack` times its root, rounded up."""
    refuse_unless_positive(offered_load=offered_load, slack=slack)
    return ceil(round(offered_load + slack * sqrt(offered_load), 9))


def least_staffing(mean_number: float, delay_probability: float) -> int:
    """Fewest agents such that all are busy with no more than `delay_probability`.

    For a Poisson number in system of the given mean, which holds at any time when customers give
    up at the rate at which they are served (see `infinite_server`): staffing this way keeps the
    probability of delay stable through the day. Source: Feldman, Mandelbaum, Massey and Whitt
    (2008).
    """
    refuse_unless_positive(mean_number=mean_number)
    refuse_unless_probability(delay_probability=delay_probability)
    return int(poisson.isf(delay_probability, mean_number)) + 1
