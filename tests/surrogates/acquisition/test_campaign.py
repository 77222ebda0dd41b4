"""A budget of epochs spent in rounds, kept as they finish."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from surrogates.acquisition.campaign import CampaignSettings, run_campaign
from surrogates.acquisition.choice import AcquisitionSettings
from surrogates.acquisition.proposals import CURRENT, plan_purpose, propose_episodes
from surrogates.acquisition.terrain import TerrainSettings
from surrogates.baselines import fit_mean
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions, read_transitions, write_transitions
from surrogates.dataset_file import DatasetFile
from surrogates.design import plan_episodes
from surrogates.errors import InvalidDataset
from surrogates.interface import Surrogate
from surrogates.pilot import Policies
from tests.fakes import TinyQueue

BUILD = WithClock(build=TinyQueue)
DESCRIPTION = BUILD().describe()
SETTINGS = CampaignSettings(
    budget=100,
    first=4,
    fewest_candidates=12,
    purpose=6,
    seed=7,
    acquisition=AcquisitionSettings(terrain=TerrainSettings(waves=16)),
)


def fit(transitions: Transitions, random: np.random.Generator) -> Surrogate:
    return fit_mean(transitions, DESCRIPTION, None, random)


class Most:
    def decide(self, states: np.ndarray) -> np.ndarray:
        return np.full(len(states), 2)


def improve(surrogate: Surrogate, seed: int) -> Policies:
    return {CURRENT: Most()}


def test_a_campaign_spends_its_budget_and_no_more() -> None:
    """Sixteen episodes of six epochs are 96 of 100; a seventeenth would be too much."""
    rounds = list(run_campaign(BUILD, fit, SETTINGS, improve=improve))
    assert [len(each.transitions) for each in rounds] == [24, 48, 96]
    assert [each.number for each in rounds] == [0, 1, 2]
    assert len(np.unique(rounds[-1].transitions.episode)) == 16
    with pytest.raises(InvalidDataset, match="one episode has 6 epochs"):
        next(run_campaign(BUILD, fit, replace(SETTINGS, budget=5)))


def test_workers_change_nothing() -> None:
    """Results must not depend on who ran the episodes."""
    with ThreadPoolExecutor(2) as executor:
        *_, shared = run_campaign(BUILD, fit, SETTINGS, improve=improve, executor=executor)
    *_, alone = run_campaign(BUILD, fit, SETTINGS, improve=improve)
    assert np.array_equal(shared.transitions.next_state, alone.transitions.next_state)


def test_a_stopped_campaign_goes_on_after_its_last_round(tmp_path: Path) -> None:
    """Simulated epochs are the expensive part: what was kept is not simulated again."""
    store = DatasetFile(path=tmp_path / "t.parquet", description=DESCRIPTION)
    begun = run_campaign(BUILD, fit, SETTINGS, improve=improve, store=store)
    next(begun)
    kept = next(begun).transitions
    (tmp_path / "t.parquet.part").write_text("cut off")
    first, *rest = run_campaign(BUILD, fit, SETTINGS, improve=improve, store=store)
    assert first.number == 1
    assert np.array_equal(first.transitions.next_state, kept.next_state)
    assert [each.number for each in rest] == [2]
    whole, provenance = read_transitions(store.path, DESCRIPTION)
    assert np.array_equal(whole.next_state[: len(kept)], kept.next_state)
    assert [entry["epochs"] for entry in provenance["rounds"]] == [24, 24, 48]
    assert [entry["round"] for entry in provenance["rounds"]] == [0, 1, 2]
    assert provenance["rows"] == 96


def test_a_data_set_collected_otherwise_can_be_extended(tmp_path: Path) -> None:
    """Whoever has data already pays only for what is missing; the old provenance stays."""
    path = tmp_path / "t.parquet"
    old = run_episodes(BUILD, plan_episodes(DESCRIPTION, 5, 1))
    write_transitions(path, old, DESCRIPTION, {"commit": "abc"})
    store = DatasetFile(path=path, description=DESCRIPTION, lineage={"run": "mine"})
    *_, last = run_campaign(BUILD, fit, replace(SETTINGS, budget=60), store=store)
    assert len(last.transitions) == 60
    whole, provenance = read_transitions(path, DESCRIPTION)
    assert np.array_equal(whole.next_state[:30], old.next_state)
    assert (provenance["commit"], provenance["rows"]) == ("abc", 60)
    (entry,) = provenance["rounds"]
    assert (entry["run"], len(entry["episodes"])) == ("mine", 5)


def test_every_round_is_fitted_to_all_the_data_afresh() -> None:
    """What a surrogate learnt from few epochs, its scales above all, must not stay with it."""
    fitted: list[tuple[int, Surrogate]] = []

    class Learner:
        name, description = "learner", DESCRIPTION

        def __init__(self, surrogate: Surrogate) -> None:
            self.openings, self.sample = surrogate.openings, surrogate.sample

        def update(
            self, transitions: Transitions, random: np.random.Generator, on_progress: object = None
        ) -> Surrogate:
            raise AssertionError

    def learn(transitions: Transitions, random: np.random.Generator) -> Surrogate:
        fitted.append((len(transitions), Learner(fit(transitions, random))))
        return fitted[-1][1]

    rounds = list(run_campaign(BUILD, learn, SETTINGS))
    assert [rows for rows, _ in fitted] == [24, 48, 96]
    assert [each.surrogate for each in rounds] == [surrogate for _, surrogate in fitted]


def test_proposals_deal_deciders_evenly_and_start_anywhere() -> None:
    """A candidate that is never offered can never be chosen."""
    plans = propose_episodes(DESCRIPTION, 100, 3, policies=(CURRENT,))
    names = [plan.behaviour for plan in plans]
    assert {name: names.count(name) for name in names} == dict.fromkeys(set(names), 20)
    assert {plan.start for plan in plans} == set(range(6))
    assert {plan.lead for plan in plans if plan.start} == {CURRENT}
    assert all(plan.slips > 0 for plan in plans)
    assert sum(plan.parameters == {"arrival_scale": 1.0} for plan in plans) == 20
    alone = propose_episodes(DESCRIPTION, 40, 3)
    assert {plan.start for plan in alone} == {0}


def test_a_decider_listed_twice_matters_twice_as_much() -> None:
    """That is how the weight of a purpose is said."""
    plans = plan_purpose(DESCRIPTION, ("constant", "constant", "linear"), 30, 1)
    names = [plan.behaviour for plan in plans]
    assert (names.count("constant"), names.count("linear")) == (20, 10)
    with pytest.raises(InvalidDataset, match="nobody decides"):
        plan_purpose(DESCRIPTION, (), 3, 1)
