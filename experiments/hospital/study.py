"""One run: rules are tuned on a surrogate, the best starts PPO, and a gate decides what is shipped.

The true simulator is asked for the data of the surrogate, for the choice among a few rules, and by
the gate. The episodes of the table are others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from envs.objective import Objective
from envs.observation import Observation
from envs.problem import Problem
from envs.vector import VectorEnvironment
from envs.world import SurrogateWorld
from experiments.hospital.rows import Row
from experiments.hospital.rules import OverflowRule
from experiments.hospital.settings import Setting
from experiments.main_job.context import machine
from experiments.rows import append_row, read_rows
from sim.description import SystemDescription
from sim.provenance import commit
from sim.scenario import Scenario, load_scenario
from sim.simulator import ServiceSystem
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.flow import FlowSettings, FlowSurrogate, fit_flow
from training.controllers import PolicyController
from training.evaluation import Comparison, Day, evaluation_seeds, run_days
from training.gate import Verdict, decide_promotion
from training.heuristics import ConstantRule, Controller, LinearRule
from training.policies import NetworkPolicy
from training.residual import ExceptionController, ExceptionEnvironment, follower
from training.rllib.settings import Budget
from training.rllib.train import Training, train_ppo
from training.search import SideBySide, episode_costs, search_rule

FROM_RULE, FROM_SCRATCH, SHIPPED = "PPO from the rule", "PPO from scratch", "shipped"
_FINALISTS = 2
"""Of each kind of rule that the surrogate likes best, to be decided between on the truth."""


@dataclass(frozen=True, kw_only=True)
class Wards:
    """The scenario, what one seed saw of it, and the surrogate that this gave."""

    setting: Setting
    seed: int

    @cached_property
    def scenario(self) -> Scenario:
        """The bundled scenario."""
        return load_scenario(self.setting.scenario)

    def build(self) -> ServiceSystem:
        """A true simulator."""
        return ServiceSystem(self.scenario.system())

    @cached_property
    def description(self) -> SystemDescription:
        """What the simulator says of itself."""
        return self.build().describe()

    @cached_property
    def objective(self) -> Objective:
        """The scenario's costs."""
        costs = self.scenario.costs
        return Objective.from_costs(self.description, costs.outputs, costs.at_close)

    @cached_property
    def transitions(self) -> Transitions:
        """The data of the surrogate."""
        s = self.setting
        plans = plan_episodes(
            self.description, s.episodes, self.seed, nominal_share=s.nominal_share
        )
        return run_episodes(self.build, plans)

    @cached_property
    def surrogate(self) -> FlowSurrogate:
        """The flow fitted to them."""
        random = stream(self.seed, "fit")
        return fit_flow(self.transitions, self.description, FlowSettings(), random)

    @cached_property
    def view(self) -> Observation:
        """What a policy sees."""
        return Observation(description=self.description, parameters=self.description.nominal)

    @cached_property
    def problem(self) -> Problem:
        """The decision problem over the surrogate."""
        return Problem(
            build_world=lambda copies: SurrogateWorld(self.surrogate, copies),
            objective=self.objective,
            observation=self.view,
            cost_unit=1000.0,
        )

    def days(self, controller: Controller, purpose: str, count: int) -> list[Day]:
        """True episodes, the same for all controllers of a purpose."""
        seeds = evaluation_seeds(self.seed, count, purpose)
        return run_days(self.build, controller, self.objective, seeds, {})

    def compare(self, controllers: Sequence[Controller], purpose: str, count: int) -> Comparison:
        """Costs on these episodes."""
        return Comparison(
            costs={
                each.name: np.array([day.cost for day in self.days(each, purpose, count)])
                for each in controllers
            }
        )


def candidate_rules(wards: Wards) -> list[Controller]:
    """Of every kind the rules that cost least on the surrogate; names say which is which."""
    rounds, candidates, days = wards.setting.searched
    judge = SideBySide(problem=wards.problem, days=days, seed=wards.seed)
    constants = [
        ConstantRule(choice=choice, name=f"constant {choice}")
        for choice in range(len(wards.description.decisions))
    ]
    order = np.argsort(list(judge(constants)))
    found: list[Controller] = [constants[i] for i in order[:_FINALISTS]]
    kinds = (
        (lambda values: OverflowRule.from_values(wards.description, values), OverflowRule.box()),
        (
            lambda values: LinearRule.from_values(wards.description, values),
            LinearRule.box(wards.description),
        ),
    )
    for build, box in kinds:
        best = search_rule(build, box, judge, rounds=rounds, candidates=candidates, seed=wards.seed)
        for number, values in enumerate(best.finalists[:_FINALISTS]):
            rule = build(values)
            found.append(replace(rule, name=f"{rule.name} {number + 1}"))
    return found


def learn_exceptions(wards: Wards, rule: Controller) -> tuple[ExceptionController, Training]:
    """PPO that begins by following the rule; the best on the surrogate is kept, the rule too."""
    s = wards.setting
    start = follower(
        len(wards.view.names),
        len(wards.description.decisions),
        stream(wards.seed, "follower"),
        hidden=s.learning.hidden,
        faith=s.faith,
    )

    def controller(policy: NetworkPolicy) -> ExceptionController:
        return ExceptionController(rule=rule, policy=policy, observation=wards.view, name=FROM_RULE)

    training = train_ppo(
        lambda copies: ExceptionEnvironment(VectorEnvironment(wards.problem, copies), rule),
        replace(s.learning, seed=wards.seed),
        Budget(steps=s.steps),
        warm_start=start,
        evaluate=lambda policy: -_imagined_cost(wards, controller(policy)),
        evaluate_every=5,
    )
    return controller(training.policy), training


def learn_from_scratch(wards: Wards) -> tuple[PolicyController, Training]:
    """The same PPO without a rule to begin with."""
    s = wards.setting
    training = train_ppo(
        lambda copies: VectorEnvironment(wards.problem, copies),
        replace(s.learning, seed=wards.seed),
        Budget(steps=s.steps),
        evaluate=lambda policy: -_imagined_cost(wards, _plain(wards, policy)),
        evaluate_every=5,
    )
    return _plain(wards, training.policy), training


def _plain(wards: Wards, policy: NetworkPolicy) -> PolicyController:
    return PolicyController(policy=policy, observation=wards.view, name=FROM_SCRATCH)


def _imagined_cost(wards: Wards, controller: Controller) -> float:
    costs = episode_costs(wards.problem, controller, wards.setting.judged_by, wards.seed)
    return float(costs.mean())


def run(
    setting: Setting,
    seeds: Iterable[int],
    path: Path,
    *,
    on_row: Callable[[Row], None] | None = None,
) -> None:
    """Measure the seeds that are missing; the rows of one are kept together."""
    known = {row.key for row in read_rows(path, Row)}
    origin = commit(), machine()
    for seed in seeds:
        if (seed, setting.digest) in known:
            continue
        rows = list(measure(Wards(setting=setting, seed=seed), origin))
        for row in rows:
            append_row(path, row)
            if on_row is not None:
                on_row(row)


def measure(wards: Wards, origin: tuple[str, str]) -> Iterator[Row]:
    """All rows of one seed."""
    s = wards.setting
    rules = candidate_rules(wards)
    chosen = wards.compare(rules, "choose", s.chosen_by)
    best = next(rule for rule in rules if rule.name == chosen.best([r.name for r in rules]))
    learnt, training = learn_exceptions(wards, best)
    scratch, cold = learn_from_scratch(wards) if s.learns_from_scratch else (None, None)
    gate = wards.compare([best, learnt], "gate", s.gated_by)
    verdict = decide_promotion(gate, best.name, (learnt.name,))
    shown = _best_of_kinds(rules, chosen)
    shown_too = [learnt] if scratch is None else [learnt, scratch]
    table = wards.compare([*shown, *shown_too], "report", s.reported_on)
    spent = (s.episodes + s.chosen_by * len(rules)) * wards.description.epochs
    gated = spent + 2 * s.gated_by * wards.description.epochs
    maker = _Maker(wards=wards, table=table, best=best, origin=origin)
    for rule in shown:
        yield maker.row(rule.name, rule, true_transitions=spent)
    if scratch is not None and cold is not None:
        yield maker.row(
            FROM_SCRATCH, scratch, true_transitions=s.episodes * wards.description.epochs,
            surrogate_transitions=cold.steps, seconds=cold.seconds,
        )  # fmt: skip
    yield maker.row(
        FROM_RULE, learnt, true_transitions=gated, is_promoted=verdict.is_promotion,
        surrogate_transitions=training.steps, seconds=training.seconds,
    )  # fmt: skip
    yield maker.row(
        SHIPPED, _shipped(verdict, learnt, best), true_transitions=gated,
        is_promoted=verdict.is_promotion, surrogate_transitions=training.steps,
        seconds=training.seconds,
    )  # fmt: skip


def _shipped(verdict: Verdict, learnt: Controller, best: Controller) -> Controller:
    return learnt if verdict.is_promotion else best


def _best_of_kinds(rules: Sequence[Controller], chosen: Comparison) -> list[Controller]:
    """The best constant, threshold and linear rule by the true episodes of the choice."""
    kinds: dict[type, list[Controller]] = {}
    for rule in rules:
        kinds.setdefault(type(rule), []).append(rule)
    return [min(alike, key=lambda r: chosen.costs[r.name].mean()) for alike in kinds.values()]


@dataclass(frozen=True, kw_only=True)
class _Maker:
    """Makes the rows of one seed."""

    wards: Wards
    table: Comparison
    best: Controller
    origin: tuple[str, str]

    def row(
        self,
        arm: str,
        controller: Controller,
        *,
        true_transitions: int,
        surrogate_transitions: int = 0,
        seconds: float = 0.0,
        is_promoted: bool = False,
    ) -> Row:
        mean = self.table.mean(controller.name)
        random = stream(self.wards.seed, "against", controller.name)
        against = self.table.against(controller.name, self.best.name, random)
        states = self.wards.transitions.state
        exceptions = controller.decide(states) != self.best.decide(states)
        return Row(
            arm=arm,
            seed=self.wards.seed,
            digest=self.wards.setting.digest,
            cost=mean.value,
            low=mean.low,
            high=mean.high,
            relative=against.value,
            relative_low=against.low,
            relative_high=against.high,
            episodes=mean.count,
            exceptions=float(exceptions.mean()),
            is_promoted=is_promoted,
            true_transitions=true_transitions,
            surrogate_transitions=surrogate_transitions,
            seconds=round(seconds, 1),
            commit=self.origin[0],
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            machine=self.origin[1],
        )
