"""The comparison of surrogates: the peers' framing, what is measured, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from envs.objective import Objective
from experiments.rows import append_row
from experiments.surrogate_comparison import __main__ as comparison
from experiments.surrogate_comparison.analysis import crps, disorder, fields, render, summary
from experiments.surrogate_comparison.contestants import PEERS, contestants
from experiments.surrogate_comparison.errors import UnknownContestant
from experiments.surrogate_comparison.material import Store
from experiments.surrogate_comparison.peers.exact import Posterior, squared_exponential
from experiments.surrogate_comparison.peers.framing import Framing, at_distinct
from experiments.surrogate_comparison.plot import draw_comparison
from experiments.surrogate_comparison.policies import varied_policies
from experiments.surrogate_comparison.rows import Row
from experiments.surrogate_comparison.settings import EFFORTS, GROUNDS
from experiments.surrogate_comparison.study import (
    Chosen,
    Fit,
    missing,
    planned,
    settings_digest,
    stored,
)
from experiments.surrogate_comparison.values import Truth, rank, sampled_values, simulated_values
from sim.description import Description
from sim.epoch import Epoch
from sim.streams import stream
from surrogates.dataset import Transitions
from surrogates.families import DEFAULT_SETTINGS, families_for
from surrogates.interface import Epochs, Surrogate

GROUND = GROUNDS["n_model"]


@pytest.fixture(scope="module")
def transitions(tmp_path_factory: pytest.TempPathFactory) -> Transitions:
    return Store(folder=tmp_path_factory.mktemp("material")).transitions(GROUND, 400, seed=1)


@pytest.fixture(scope="module")
def description() -> Description:
    return GROUND().describe()


def row(**changed: object) -> Row:
    plain = Row(
        scenario="bank",
        contestant="flow",
        is_ours=True,
        rows=2000,
        seed=1,
        digest="d",
        crps=0.2,
        energy=0.5,
        coverage_50=0.5,
        coverage_80=0.8,
        coverage_95=0.95,
        log_likelihood=None,
        tau=0.9,
        tau_low=0.8,
        tau_high=1.0,
        tau_attainable=0.97,
        values=[1.0, 2.0],
        true_values=[1.0, 3.0],
        fit_cpu_seconds=1.0,
        fit_seconds=1.0,
        samples_per_second=1e5,
        threads=1,
        commit="c",
        date="2026-01-01",
        machine="m",
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


ROWS = [
    row(seed=seed, contestant=name, is_ours=ours, crps=value + 0.001 * seed, tau=tau)
    for seed in (1, 2, 3)
    for name, ours, value, tau in (
        ("flow", True, 0.20, 0.7),
        ("gp", True, 0.18, 0.6),
        ("mean", True, 0.40, 0.1),
        ("mbrl", False, 0.19, 0.8),
    )
]


@pytest.mark.parametrize("learns_changes", [False, True])
def test_the_framing_takes_nothing_away(
    transitions: Transitions, description: Description, learns_changes: bool
) -> None:
    """A peer that drew the observed targets would have to answer with the observed epochs."""
    framing = Framing(transitions, description, learns_changes=learns_changes)
    epochs = framing.complete(
        transitions.state, transitions.decision, transitions.parameters, framing.targets
    )
    np.testing.assert_allclose(epochs.state, transitions.next_state, atol=1e-9)
    np.testing.assert_allclose(epochs.outputs, transitions.outputs, atol=1e-9)
    np.testing.assert_allclose(epochs.duration, transitions.duration, atol=1e-9)


def test_peers_answer_whole_customers_and_a_clock_that_goes_on(
    transitions: Transitions, description: Description
) -> None:
    """Fractions and negative queues would be held against a peer that cannot know better."""
    surrogate = _fitted("sklearn_gp", transitions, description)
    asked = transitions.take(np.arange(50))
    epochs = surrogate.sample(asked.state, asked.decision, asked.parameters, stream(1, "draws"))
    np.testing.assert_array_equal(epochs.state, np.rint(epochs.state))
    assert (epochs.state >= 0).all()
    assert (epochs.outputs >= 0).all()
    np.testing.assert_array_equal(epochs.state[:, -1], asked.state[:, -1] + 1)


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_learns_when_service_ends_somewhere(
    name: str, transitions: Transitions, description: Description
) -> None:
    """Whoever is in service is in the state: a peer that ignores its inputs does worse."""
    if not PEERS[name].is_installed:
        pytest.skip(f"{PEERS[name].needs} is not installed: pip install '.[comparison]'")
    few = transitions.take(np.arange(80))
    surrogate = _fitted(name, few, description)
    epochs = surrogate.sample(few.state, few.decision, few.parameters, stream(1, "draws"))
    busy = description.state_names.index("server_2_serves_2_busy")
    told = np.corrcoef(epochs.state[:, busy], few.next_state[:, busy])[0, 1]
    assert told > 0.1


def _fitted(name: str, transitions: Transitions, description: Description) -> Surrogate:
    # Threads that wait for each other on a busy machine would make minutes of seconds.
    with threadpool_limits(1):
        contestant = contestants(description, "quick")[name]
        return contestant.fit(transitions, description, stream(1, "fit"))


def test_the_posterior_at_one_point_is_the_textbook_one() -> None:
    """With one observation y of noise s² the mean is k y / (1 + s²), the rest follows."""
    posterior = Posterior.of(
        kernel=squared_exponential(np.ones(1)),
        noise=0.25,
        mean=0.0,
        points=np.zeros((1, 1)),
        targets=np.array([2.0]),
    )
    mean, deviation = posterior.predict(np.array([[0.0], [1.0]]))
    near = np.array([1.0, np.exp(-0.5)])
    np.testing.assert_allclose(mean, near * 2.0 / 1.25)
    np.testing.assert_allclose(deviation**2, 1.0 - near**2 / 1.25 + 0.25)


def test_botorch_is_told_as_it_predicts() -> None:
    """Its kernel is read out by hand, and a wrong scale would make a strawman of it."""
    botorch_gp = _peer_module("botorch", "botorch_gp")
    torch = pytest.importorskip("torch")
    random = stream(1, "botorch")
    inputs = random.normal(size=(40, 3))
    targets = np.sin(inputs[:, 0]) + 0.3 * random.normal(size=40)
    model = botorch_gp.fit_one(inputs, targets)
    asked = random.normal(size=(5, 3))
    mean, deviation = botorch_gp.posterior_of(model, inputs, targets).predict(asked)
    told = model.posterior(torch.from_numpy(asked), observation_noise=True)
    np.testing.assert_allclose(mean, told.mean.detach().numpy()[:, 0], rtol=1e-6)
    np.testing.assert_allclose(deviation**2, told.variance.detach().numpy()[:, 0], rtol=1e-6)


def test_kriging_is_told_with_its_noise() -> None:
    """Its own variance leaves the noise out: intervals of it would cover next to nothing."""
    kriging = _peer_module("smt", "kriging")
    random = stream(1, "smt")
    inputs = random.normal(size=(120, 2))
    targets = np.sin(inputs[:, 0]) + 0.5 * random.normal(size=120)
    _, deviation = kriging.observed(kriging.fit_one(inputs, targets), inputs)
    # 120 misses tell a deviation of .5 to within 3.3 standard errors of .5 / sqrt(240).
    assert np.sqrt(np.mean(deviation**2)) == pytest.approx(0.5, abs=0.11)


def _peer_module(package: str, module: str):  # type: ignore[no-untyped-def]
    pytest.importorskip(package, reason="pip install '.[comparison]'")
    return pytest.importorskip(f"experiments.surrogate_comparison.peers.{module}")


def test_rows_that_are_alike_are_foretold_once() -> None:
    """A score asks every row as many times as it has draws."""
    asked: list[int] = []

    def predict(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(inputs))
        return inputs + 1.0, inputs

    inputs = np.repeat(np.arange(3.0)[:, None], 4, axis=0)
    mean, _ = at_distinct(inputs, predict)
    assert asked == [3]
    np.testing.assert_array_equal(mean, inputs + 1.0)


def test_nobody_is_left_out(description: Description) -> None:
    """A family that joins the project's table must not be forgotten here."""
    installed = [name for name, peer in PEERS.items() if peer.is_installed]
    assert list(contestants(description, "quick")) == [*families_for(description), *installed]


def test_policies_differ(transitions: Transitions, description: Description) -> None:
    """Equal policies would make ties that no surrogate can put right."""
    states = transitions.state
    policies = varied_policies(description, states, 12, stream(1, "policies"))
    told = [decide(states) for decide in policies]
    assert len({levels.tobytes() for levels in told}) == 12
    assert set(np.concatenate(told)[:, 0]) == set(description.levers[0].levels)


@dataclass(frozen=True)
class Clockwork:
    """Simulator and surrogate at once: half a minute an epoch, in which nothing happens."""

    description: Description
    name: str = "clockwork"

    @property
    def openings(self) -> np.ndarray:
        return np.zeros((1, len(self.description.state_names)))

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        after = states.copy()
        after[:, -1] += 1
        outputs = np.zeros((len(states), len(self.description.output_names)))
        return Epochs(state=after, outputs=outputs, duration=np.full(len(states), 0.5))

    def describe(self) -> Description:
        return self.description

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> np.ndarray:
        self.now[:] = 0.0
        return self.now.copy()

    @cached_property
    def now(self) -> np.ndarray:
        return np.zeros(len(self.description.state_names))

    def advance(self, decision: np.ndarray) -> Epoch:
        self.now[-1] += 1
        outputs = np.zeros(len(self.description.output_names))
        is_last = self.now[-1] == self.description.epochs
        return Epoch(state=self.now.copy(), outputs=outputs, duration=0.5, is_last=bool(is_last))


def test_both_worlds_count_the_same_costs(
    transitions: Transitions, description: Description
) -> None:
    """The number of the last epoch is charged once, at close: 200 in 100 minutes, so 2 a minute."""
    objective = Objective.from_costs(description, {}, {description.state_names[-1]: 1.0})
    policies = varied_policies(description, transitions.state, 2, stream(1, "policies"))
    world = Clockwork(description)
    simulated = simulated_values(world, objective, policies, [3, 4]).values
    sampled = sampled_values(world, objective, policies, 3, stream(1, "rollouts"))
    np.testing.assert_allclose(simulated, 2.0)
    np.testing.assert_allclose(sampled, 2.0)


def test_values_are_costs_of_a_minute_and_not_of_an_episode() -> None:
    """Where events end episodes a long one must not weigh as little as a short one."""
    truth = Truth(cost=np.array([[1.0, 8.0]]), minutes=np.array([[1.0, 2.0]]))
    assert truth.values.tolist() == [3.0]


def test_a_simulator_sure_of_itself_ranks_as_itself() -> None:
    """Episodes that tell the same order leave nothing to chance; opposite ones everything."""
    sure = np.tile(np.arange(5.0)[:, None], 6)
    assert Truth(cost=sure, minutes=np.ones((5, 6))).tau_of_halves == pytest.approx(1.0)
    torn = np.array([[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]])
    assert Truth(cost=torn, minutes=np.ones((3, 2))).tau_of_halves == pytest.approx(-1.0)


def test_what_is_attainable_is_of_as_many_episodes_as_the_surrogate_is_held_against() -> None:
    """Halves are surer of less: a surrogate could come above what was called attainable."""
    rows = [replace(told, tau_attainable=1 / 3) for told in ROWS]
    attainable = 2 / np.pi * np.arcsin(2 / 3)
    assert rows[0].attainable == pytest.approx(attainable)
    assert f"simulator's tau is {attainable:.3f}" in render(rows)


def test_every_seed_is_judged_by_the_same_policies_and_truth(tmp_path: Path) -> None:
    """Seeds are of data and fits; the dear simulation of policies is shared between them."""
    store, effort = Store(folder=tmp_path), replace(EFFORTS["quick"], held_out_episodes=1)
    one, other = (store.judgement(GROUND, effort, seed) for seed in (1, 2))
    np.testing.assert_array_equal(one.truth.cost, other.truth.cost)
    states = one.held_out.state
    for mine, theirs in zip(one.policies, other.policies, strict=True):
        np.testing.assert_array_equal(mine(states), theirs(states))
    assert not np.array_equal(one.held_out.state, other.held_out.state)


def test_rank_of_a_reversed_order_is_minus_one() -> None:
    """Kendall's tau by definition; its interval is a point where every pair is reversed."""
    found = rank(np.arange(6.0), -np.arange(6.0))
    assert (found.tau, found.low, found.high) == pytest.approx((-1.0, -1.0, -1.0))


def test_a_surrogate_that_tells_nothing_ranks_nothing() -> None:
    """All values alike: tau is not defined, and 0 is what it is worth."""
    assert rank(np.arange(6.0), np.ones(6)).tau == 0.0


def test_places_are_against_everybody_but_each_other() -> None:
    """`gp` is best by CRPS; by tau mbrl beats both, and flow is not counted against gp."""
    (field,) = fields(ROWS)
    assert (field.champion(crps), field.rank(crps)) == ("gp", 1)
    assert (field.champion(disorder), field.rank(disorder)) == ("flow", 2)
    lead = field.lead(crps)
    assert lead is not None
    assert lead[0] == pytest.approx(-0.01)
    assert lead[1] <= lead[0] <= lead[2] < 0


def test_only_seeds_that_everybody_has_are_compared() -> None:
    """A mean over other data is no comparison."""
    (field,) = fields([*ROWS, row(seed=4, contestant="flow")])
    assert field.seeds == (1, 2, 3)


def test_the_figures_have_their_goals() -> None:
    """The names and goals are those that the project keeps."""
    told = {figure["name"]: figure for figure in summary(ROWS)["figures"]}
    assert told["bank_crps_rank"]["value"] == 1
    assert told["bank_tau_rank"]["value"] == 2
    assert told["bank_coverage_95"]["goal"] == "0.93-0.97"
    assert told["bank_tau_behind_best_other"]["value"] == pytest.approx(0.1)


def test_the_page_says_where_we_lose() -> None:
    """A loss is told as plainly as a win."""
    page = render(ROWS)
    assert "CRPS: `gp` comes first of 4" in page
    assert "tau: `flow` comes second of 4" in page
    assert "against `mbrl`, less is better: not surely better" in page


def test_one_seed_proves_nothing() -> None:
    """A difference without a spread must not read as one that is sure."""
    page = render([told for told in ROWS if told.seed == 1])
    assert "on one seed: nothing is said of chance" in page
    assert "surely" not in page


def test_the_page_says_from_how_few_rows_exact_processes_learn() -> None:
    """Whoever reads that they are beaten must read that they did not see all of the data."""
    assert f"`smt` (from {PEERS['smt'].settings.rows} of them)" in render(ROWS)


def test_the_plot_is_made_of_rows_alone() -> None:
    """Same rows, same bytes: a stored plot can be checked against its rows."""
    assert draw_comparison(ROWS) == draw_comparison(ROWS)


def test_what_has_a_row_is_not_measured_again(description: Description) -> None:
    """A stopped study goes on; other settings are another measurement."""
    contestant = contestants(description, "quick")["mean"]
    fit = Fit(scenario="n_model", contestant=contestant, rows=300, seed=1, depth="quick")
    known = row(scenario="n_model", contestant="mean", rows=300, seed=1, digest=fit.digest)
    assert missing([fit], [known]) == ()
    assert missing([fit], [replace(known, digest="other")]) == (fit,)


def test_rows_of_other_settings_do_not_count(tmp_path: Path) -> None:
    """A family whose settings have changed since is another family."""
    now = settings_digest("bank", DEFAULT_SETTINGS["flow"], "thorough")
    for changed in ({"digest": now}, {"digest": "old"}, {"digest": now, "contestant": "forgotten"}):
        append_row(tmp_path / "rows.jsonl", row(**changed))
    assert stored(tmp_path / "rows.jsonl") == (row(digest=now),)


def test_small_amounts_of_data_come_first() -> None:
    """A study that is stopped early has then at least its small sizes whole."""
    amounts = [fit.rows for fit in planned("thorough", Chosen(pairs=("n_model/mean",)))]
    assert len(amounts) == 9
    assert all(before <= after for before, after in pairwise(amounts))


@pytest.mark.parametrize(
    ("pair", "near"), [("bnak", "did you mean 'bank'"), ("bank/botroch", "did you mean 'botorch'")]
)
def test_a_misspelt_name_is_refused(pair: str, near: str) -> None:
    """Measuring nothing without a word would look like being finished."""
    with pytest.raises(UnknownContestant, match=near):
        Chosen(pairs=(pair,))


def test_a_quick_run_leaves_rows_tables_and_figures(tmp_path: Path) -> None:
    """The whole way once, on a system and a family that take a second."""
    asked = ["--quick", "--only", "n_model/mean"]
    folders = ["--folder", str(tmp_path / "out"), "--material", str(tmp_path / "material")]
    comparison.main([*asked, *folders])
    told = json.loads((tmp_path / "out" / "rows.jsonl").read_text().splitlines()[0])
    assert 0.0 < told["crps"] < 1.0
    assert told["samples_per_second"] > 0
    # Without flow or gp there is nothing to place, and no table is written.
    assert not (tmp_path / "out" / "summary.json").exists()
