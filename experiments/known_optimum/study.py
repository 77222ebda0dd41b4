"""One run: every measurement that is missing, kept as soon as it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from time import perf_counter

import numpy as np

from envs.objective import Objective
from envs.presence import PresenceView, presence_of
from envs.vector import VectorEnvironment
from experiments.known_optimum.fitted import fitted_network
from experiments.known_optimum.rows import LEARNT, SURROGATE_OPTIMUM, TUNED, Row
from experiments.known_optimum.rules import (
    IndexRule,
    c_mu,
    last_buffer_first,
    max_pressure,
    max_weight,
    policy_table,
    threshold,
    tuned_max_weight,
    tuning_box,
)
from experiments.known_optimum.settings import Setting
from experiments.main_job.context import machine
from experiments.rows import append_row, read_rows
from sim.analytic import MarkovNetwork, evaluate, find_optimum
from sim.description import SystemDescription
from sim.errors import InvalidSystem
from sim.output import Estimate
from sim.provenance import commit
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem
from sim.streams import stream
from sim.system import System
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.flow import FlowSettings, FlowSurrogate, fit_flow
from surrogates.flow.jumps import JumpLaw
from training.control_variate import Horizon, endless_problem
from training.controllers import PolicyController
from training.evaluation import evaluation_seeds, relative_difference, run_days
from training.heuristics import Controller
from training.policies import NetworkPolicy
from training.residual import ExceptionController, ExceptionEnvironment, follower
from training.rllib.build import MakeEnv
from training.rllib.settings import Budget
from training.rllib.train import Training, train_ppo
from training.search import search_rule
from training.stabilised import StabilisedController

RULES = {
    "c-mu": c_mu,
    "MaxWeight": max_weight,
    "max-pressure": max_pressure,
    "last buffer first": last_buffer_first,
    "threshold": threshold,
}
_TOLERANCE = 1e-3
_COARSE = 1e-2
"""Of costs on the surrogate, by which policies are only ranked."""
_UNSTABLE = -1e9


@dataclass(frozen=True, kw_only=True)
class Place:
    """A network's scenario at its nominal parameters."""

    setting: Setting

    @cached_property
    def system(self) -> System:
        """The bundled system."""
        return load_scenario(self.setting.where.scenario).system()

    @cached_property
    def description(self) -> SystemDescription:
        """What its simulator says of itself."""
        return ServiceSystem(self.system).describe()

    @cached_property
    def objective(self) -> Objective:
        """The scenario's costs."""
        costs = load_scenario(self.setting.where.scenario).costs
        return Objective.from_costs(self.description, costs.outputs, costs.at_close)

    def build(self) -> ServiceSystem:
        """A true simulator."""
        return ServiceSystem(self.system)

    def rule(self, name: str) -> IndexRule:
        """A rule by its name."""
        return RULES[name](self.setting.where, self.description)

    def cost(self, controller: Controller, seed: int) -> Estimate:
        """Average cost per minute on the true network, exactly where a grid holds it."""
        network, description = self.setting.where, self.description
        if network.levels is None:
            return self.setting.walk.average_cost(network, description, controller, seed)
        table = policy_table(network, description, controller)
        try:
            cost = evaluate(network.chain, table, tolerance=_TOLERANCE)
        except InvalidSystem:
            # Far out, where nobody had been, the policy keeps the system from coming back.
            return self.setting.walk.average_cost(network, description, controller, seed)
        return Estimate(value=cost, low=cost, high=cost, count=1)

    def against(self, controller: Controller, rule: Controller, seed: int) -> Estimate:
        """Relative difference of costs per minute on paired runs of the event simulator."""
        episodes, epochs = self.setting.simulated
        system = replace(self.system, events=epochs)
        seeds = evaluation_seeds(seed, episodes, "known optimum")
        paid = []
        for each in (controller, rule):
            days = run_days(lambda: ServiceSystem(system), each, self.objective, seeds, {})
            paid.append(np.array([d.cost / d.telemetry.duration.sum() for d in days]))
        return relative_difference(paid[0], paid[1], stream(seed, "paired"))


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What one seed gives: data, a surrogate, and a policy that never saw the simulator."""

    place: Place
    seed: int

    @cached_property
    def transitions(self) -> Transitions:
        """Episodes of the true simulator, the only ones that learning sees."""
        plans = plan_episodes(
            self.place.description, self.place.setting.episodes, self.seed, nominal_share=1.0
        )
        return run_episodes(self.place.build, plans)

    @cached_property
    def surrogate(self) -> FlowSurrogate:
        """A race of events fitted to them."""
        random = stream(self.seed, "fit")
        return fit_flow(self.transitions, self.place.description, FlowSettings(), random)

    @cached_property
    def view(self) -> PresenceView:
        """Numbers present, on scales of the data."""
        return PresenceView.of(self.place.description, self.transitions.state)

    @cached_property
    def believed(self) -> MarkovNetwork:
        """The network that the surrogate is."""
        law = self.surrogate.law
        assert isinstance(law, JumpLaw)
        return fitted_network(self.place.setting.where, law, stream(self.seed, "rates"))

    @cached_property
    def rule(self) -> IndexRule:
        """To which PPO learns exceptions: the best rule, or what a search made of it."""
        place, tuning = self.place, self.place.setting.tuning
        if tuning is None:
            return place.rule(place.setting.best_rule)
        rounds, candidates = tuning
        network, description = place.setting.where, place.description

        def build(values: dict[str, float]) -> IndexRule:
            return tuned_max_weight(network, description, values)

        found = search_rule(
            build,
            tuning_box(network),
            lambda tried: [-self._worth(each) for each in tried],
            rounds=rounds,
            candidates=candidates,
            seed=self.seed,
        )
        return build(found.values)

    def controller(self, policy: NetworkPolicy) -> Controller:
        """Acts greedily by a learnt policy, as far out as the setting lets it."""
        place, rule = self.place, self.rule
        learnt: Controller
        if place.setting.faith is None:
            learnt = PolicyController(policy=policy, observation=self.view, name=LEARNT)
        else:
            learnt = ExceptionController(
                rule=rule, policy=policy, observation=self.view, name=LEARNT
            )
        if not place.setting.is_stabilised:
            return learnt
        seen = self.transitions.state @ presence_of(place.description).T
        return StabilisedController(
            inner=learnt,
            rule=rule,
            description=place.description,
            limits=seen.max(axis=0),
            name=LEARNT,
        )

    def _worth(self, controller: Controller) -> float:
        """Minus what it costs on the network that the surrogate is, never the true one."""
        place = self.place
        table = policy_table(place.setting.where, place.description, controller)
        try:
            return -evaluate(self.believed, table, tolerance=_COARSE)
        except InvalidSystem:
            return _UNSTABLE

    def _worth_of(self, policy: NetworkPolicy) -> float:
        return self._worth(self.controller(policy))

    def train(self) -> Training:
        """PPO on the surrogate; no policy is chosen by the truth."""
        setting = self.place.setting
        horizon = Horizon(minutes=setting.horizon_minutes)
        problem = endless_problem(
            self.surrogate,
            self.place.rule(setting.rule),
            self.place.objective,
            self.view,
            horizon,
            self.transitions.state,
            stream(self.seed, "cost to come"),
            cost_unit=setting.where.goal,
            fades=setting.fades,
        )
        learning = replace(
            setting.learning,
            discount=horizon.discount,
            discount_minutes=horizon.minutes,
            seed=self.seed,
        )
        budget = Budget(steps=setting.steps)
        build, start = self._begun(lambda copies: VectorEnvironment(problem, copies))
        return train_ppo(
            build,
            learning,
            budget,
            warm_start=start,
            evaluate=None if setting.judged_every is None else self._worth_of,
            evaluate_every=setting.judged_every or 0,
        )

    def _begun(
        self, build: Callable[[int], VectorEnvironment]
    ) -> tuple[MakeEnv, NetworkPolicy | None]:
        """What PPO meets, and the policy that it begins with: a rule's where there is faith."""
        place, setting = self.place, self.place.setting
        if setting.faith is None:
            return build, None
        rule = self.rule
        start = follower(
            len(self.view.names),
            len(place.description.decisions),
            stream(self.seed, "follower"),
            hidden=setting.learning.hidden,
            faith=setting.faith,
        )
        return lambda copies: ExceptionEnvironment(build(copies), rule), start


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where rows come from, as it was when the run began."""

    commit: str
    machine: str


def run(
    settings: Iterable[Setting],
    seeds: Iterable[int],
    path: Path,
    *,
    on_row: Callable[[Row], None] | None = None,
) -> None:
    """Measure what is missing, all rules of a network before what is learnt."""
    origin = Origin(commit=commit(), machine=machine())
    chosen = tuple(seeds)
    for setting in settings:
        for row in _rows(setting, chosen, path, origin):
            append_row(path, row)
            if on_row is not None:
                on_row(row)


def _rows(setting: Setting, seeds: tuple[int, ...], path: Path, origin: Origin) -> Iterator[Row]:
    place = Place(setting=setting)
    known = {row.key for row in read_rows(path, Row)}

    def is_missing(arm: str, seed: int) -> bool:
        return (setting.network, arm, seed, setting.digest) not in known

    for name in setting.rules:
        if is_missing(name, 0):
            yield _row(place, origin, name, 0, place.cost(place.rule(name), 0))
    for seed in seeds:
        learnt = Learnt(place=place, seed=seed)
        if is_missing(TUNED, seed) and setting.tuning is not None:
            row = _row(place, origin, TUNED, seed, place.cost(learnt.rule, seed))
            yield replace(row, true_transitions=len(learnt.transitions))
        if is_missing(LEARNT, seed):
            yield _trained(learnt, origin)
        if is_missing(SURROGATE_OPTIMUM, seed) and setting.where.optimum is not None:
            yield _optimum_of_surrogate(learnt, origin)


def _trained(learnt: Learnt, origin: Origin) -> Row:
    began, place, seed = perf_counter(), learnt.place, learnt.seed
    training = learnt.train()
    seconds = perf_counter() - began
    controller = learnt.controller(training.policy)
    paired = place.against(controller, place.rule(place.setting.best_rule), seed)
    row = _row(place, origin, LEARNT, seed, place.cost(controller, seed))
    return replace(
        row,
        true_transitions=len(learnt.transitions),
        surrogate_transitions=training.steps,
        seconds=round(seconds, 1),
        simulated=(paired.value, paired.low, paired.high),
    )


def _optimum_of_surrogate(learnt: Learnt, origin: Origin) -> Row:
    place = learnt.place
    network = place.setting.where
    best = find_optimum(learnt.believed, network.levels or (), tolerance=_COARSE)
    cost = evaluate(network.chain, best.policy, tolerance=_TOLERANCE)
    found = Estimate(value=cost, low=cost, high=cost, count=1)
    row = _row(place, origin, SURROGATE_OPTIMUM, learnt.seed, found)
    return replace(row, true_transitions=len(learnt.transitions))


def _row(place: Place, origin: Origin, arm: str, seed: int, cost: Estimate) -> Row:
    return Row(
        network=place.setting.network,
        arm=arm,
        seed=seed,
        digest=place.setting.digest,
        cost=cost.value,
        low=cost.low,
        high=cost.high,
        how="walk" if cost.count > 1 else "exact",
        true_transitions=0,
        surrogate_transitions=0,
        seconds=0.0,
        simulated=None,
        commit=origin.commit,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        machine=origin.machine,
    )
