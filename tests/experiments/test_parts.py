"""The parts of the job that depend on what the simulator offers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.main_job.errors import InvalidRun
from experiments.main_job.fit import _chosen
from experiments.main_job.inputs import check_inputs
from experiments.main_job.pretrain import discount, rollout_length
from experiments.main_job.settings import MainJobSettings
from sim.description import Description, Lever, SystemDescription
from surrogates.clock import CLOCK
from tests.experiments.conftest import TINY, Begin
from tests.fakes import TinyQueue


def record(crps: float) -> dict[str, dict[str, float]]:
    return {"scores": {"standardised_crps": crps}}


def test_the_best_by_score_is_trained_on_where_nothing_is_conserved() -> None:
    """Which family suits a black box only its scores can tell; days are judged by a likelihood."""
    scored = {"gp": record(0.3), "bootstrap": record(0.2), "mean": record(0.5)}
    assert _chosen(scored) == ("bootstrap", "gp")
    assert _chosen({**scored, "flow": record(0.25)}) == ("flow", "flow")


def test_a_plug_in_is_told_the_time_and_a_system_knows_it(begin: Begin) -> None:
    """All that decides looks at states alone."""
    context = begin(TINY)
    assert context.system is None
    assert context.description.state_names[-1] == CLOCK
    assert context.build().describe() == context.description
    assert context.episode == "episode"


def test_long_episodes_count_for_several(begin: Begin) -> None:
    """An episode of 2,000 decisions takes the time of seventy of the bank's days."""
    context = begin("n_model")
    assert isinstance(context.description, SystemDescription)
    assert context.worth(400, least=64) == 64
    assert context.worth(24, least=64) == 24
    assert context.worth(1024, least=4) == 14


def test_short_episodes_count_for_one(begin: Begin) -> None:
    """A scenario of the bank's length or below gets what the settings say."""
    assert begin(TINY).worth(400, least=64) == 400


@pytest.mark.parametrize(("epochs", "length", "weight"), [(6, 6, 1.0), (28, 28, 1.0)])
def test_a_day_is_learnt_whole(epochs: int, length: int, weight: float) -> None:
    """Where an episode is a day its cost is a sum, and the network sees all of it at once."""
    assert (rollout_length(epochs), discount(epochs)) == (length, weight)


def test_a_long_episode_is_learnt_in_pieces() -> None:
    """A value of two thousand costs to come cannot be learnt in a minute."""
    assert rollout_length(2000) < 100
    assert 0.98 < discount(168) < discount(2000) < 1.0


class OneLevel(TinyQueue):
    """A simulator whose one lever has one level."""

    def describe(self) -> Description:
        only = (Lever(name="servers", levels=(2.0,), decides="servers"),)
        return replace(super().describe(), levers=only)


def test_a_simulator_without_a_choice_is_refused() -> None:
    """There would be nothing to train."""
    with pytest.raises(InvalidRun, match="1 joint choices: from 2 to 4,096"):
        check_inputs(MainJobSettings(scenario=f"{__name__}:OneLevel"))
