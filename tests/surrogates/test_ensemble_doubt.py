"""Whether an ensemble's doubt is as large as its error, where the truth is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from sim.description import Description, Lever
from sim.epoch import Parameter, Quantity
from surrogates.dataset import Transitions
from surrogates.ensemble import FAST, EnsembleSurrogate, fit_ensemble
from surrogates.ensemble.lines import learn_lines

EPOCHS = 10
NOISE = 0.8
PLANT = Description(
    name="plant",
    components=tuple(Quantity(name=n, unit="K", is_count=False) for n in ("inside", "outside")),
    outputs=(),
    levers=(Lever(name="heating", levels=(0.0, 1.0, 2.0), decides="value"),),
    parameters=(Parameter(name="leak", unit="factor", low=0.5, high=1.5, nominal=1.0),),
    epochs=EPOCHS,
)


def means(state: np.ndarray, decision: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Of the next state: linear, so that nothing but chance is to be doubted."""
    inside = 0.6 * state[:, 0] + 0.2 * state[:, 1] + 0.5 * decision[:, 0] - parameters[:, 0]
    return np.column_stack([inside, 0.7 * state[:, 1]])


def run(episodes: int, seed: int) -> Transitions:
    random, rows = np.random.default_rng(seed), []
    for episode in range(episodes):
        state, leak = random.standard_normal((1, 2)), random.uniform(0.5, 1.5, (1, 1))
        for _ in range(EPOCHS):
            decision = random.integers(3, size=(1, 1)).astype(float)
            after = means(state, decision, leak) + NOISE * random.standard_normal((1, 2))
            rows.append((state[0], decision[0], leak[0], after[0], episode))
            state = after
    before, decisions, leaks, afterwards, which = map(np.array, zip(*rows, strict=True))
    return Transitions(
        state=before, decision=decisions, parameters=leaks, next_state=afterwards,
        outputs=np.zeros((len(rows), 0)), duration=np.ones(len(rows)), episode=which,
        policy=np.full(len(rows), "random"),
    )  # fmt: skip


@cache
def off_and_apart(episodes: int) -> tuple[np.ndarray, np.ndarray]:
    """How far the elites' mean is off, and they are apart, in fits to eight sets of data."""
    asked, off, apart = run(20, 1000), [], []
    questions = asked.state, asked.decision, asked.parameters
    for seed in range(8):
        fitted = fit_ensemble(run(episodes, seed), PLANT, FAST, np.random.default_rng(seed))
        located = locations(fitted, *questions)
        off.append(located.mean(axis=0) - means(*questions))
        apart.append(located.std(axis=0))
    return np.array(off), np.array(apart)


def locations(fitted: EnsembleSurrogate, *questions: np.ndarray) -> np.ndarray:
    """Elite by row and number; real numbers are modelled as they are, durations come first."""
    centre, width = fitted._scales.coordinate
    inputs = fitted._inputs(*questions)
    laws = [member(inputs)[: len(centre)].T for member in fitted._members]
    return np.asarray(centre + width * np.stack(laws))[..., 1:]


@pytest.mark.parametrize("episodes", [2, 3, 4])
def test_what_few_data_leave_open_is_as_large_as_the_error(episodes: int) -> None:
    """Members that begin alike and take few steps agree on what none of them knows.

    The error is to be one spread; the spread of five, which is itself a matter of chance, makes
    that 1.7: t with four degrees of freedom, from a mean and a variance of five.
    """
    off, apart = off_and_apart(episodes)
    assert 0.5 < np.sqrt(np.square(off / apart).mean()) < 2.5
    assert 0.5 < np.sqrt(np.square(off).mean() / np.square(apart).mean()) < 2.0


def test_doubt_grows_as_data_shrink() -> None:
    """The fewer data, the more they leave open."""
    apart = [float(np.sqrt(np.square(off_and_apart(n)[1]).mean())) for n in (2, 3, 4, 10, 20)]
    assert apart == sorted(apart, reverse=True)
    assert apart[0] > 2 * apart[-1]


def test_lines_are_off_by_as_much_as_they_doubt() -> None:
    """Slopes that come from the prior have a known law after the data.

    Errors over deviations have mean square one, and less by what lines of 24 rows and five weights
    miss beyond the noise. The mean of 100 questions, alike by eights, is off by 0.13 in one of a
    hundred.
    """
    random, scores = np.random.default_rng(5), []
    for _ in range(100):
        slopes = random.standard_normal((4, 8)) / 2
        features = random.standard_normal((30, 4))
        targets = features @ slopes + 0.8 * random.standard_normal((30, 8))
        lines = learn_lines(features, targets, np.arange(30) // 3)
        question = np.append(random.standard_normal(4), 1.0)
        deviation = np.linalg.norm(np.einsum("nij,i->nj", lines.root, question), axis=1)
        scores.append((lines.centre @ question - question[:4] @ slopes) / deviation)
    assert np.square(scores).mean() == pytest.approx(1 / (1 + 5 / 24), abs=0.13)


def test_drawn_lines_have_the_mean_and_the_spread_of_what_is_believed() -> None:
    """Chance that all lines share would be an error that their distance does not tell."""
    random = np.random.default_rng(6)
    features, targets = random.standard_normal((30, 2)), random.standard_normal((30, 1))
    lines = learn_lines(features, targets, np.arange(30) // 3)
    drawn = np.stack([lines.draw(7, random) for _ in range(2000)])
    assert drawn.mean(axis=1) == pytest.approx(np.broadcast_to(lines.centre, (2000, 1, 3)))
    # A mean of 2,000 variances with six degrees of freedom is off by 5% in one of a thousand.
    believed = np.square(lines.root).sum(axis=2)
    assert drawn.var(axis=1).mean(axis=0) == pytest.approx(believed, rel=0.05)
    assert lines.draw(1, random)[0] == pytest.approx(lines.centre)
