"""The ways back to a good policy; the clock runs from when the change is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from envs.randomisation import UniformParameters
from experiments.racing.checkpoints import Recorder, Timeline
from experiments.retraining.change import Changed
from experiments.time_to_policy.practice import direct, practice
from sim.streams import stream
from surrogates.collect import collect
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.families import fit_family
from surrogates.interface import Surrogate
from training.forms import PolicyForm, SurrogateForm, TransitionsForm
from training.journal import Journal
from training.loop import Change, Decision, Incumbent, RenewalSettings, renew
from training.loop.learning import warm
from training.loop.softening import softened
from training.plant import Environments, Plant, Where
from training.policies import NetworkPolicy
from training.rllib.fine_tune import gentle
from training.rllib.settings import Budget, PPOSettings
from training.rllib.train import train_ppo

FAMILY = "flow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What there is when the change comes."""

    surrogate: Surrogate
    transitions: Transitions
    policy: NetworkPolicy
    conditioned: NetworkPolicy
    """One that was trained for all parameters of the box and a range of prices."""


def before(changed: Changed, seed: int, journal: Journal, executor: Executor) -> Before:
    """Collected, fitted and trained once for all changes of a system, kept in the journal."""
    setting, plant = changed.setting, changed.before
    description = plant.description
    plans = plan_episodes(description, setting.episodes, seed)
    transitions = journal.step(
        "collect",
        lambda: collect(plant.build, plans, executor),
        TransitionsForm(description=description),
    )
    surrogate = journal.step(
        "fit",
        lambda: fit_family(FAMILY, transitions, description, stream(seed, "fit")),
        SurrogateForm(description=description),
    )
    budget, form = Budget(seconds=setting.pretrain_seconds), PolicyForm(system=description.name)
    policy = journal.step(
        "policy",
        lambda: _trained(plant, surrogate, None, budget, seed, "old policy"),
        form,
    )
    told, box = changed.conditioned(plant), UniformParameters.of(description)
    conditioned = journal.step(
        "conditioned",
        lambda: _trained(told, surrogate, box, budget, seed, "conditioned policy"),
        form,
    )
    return Before(
        surrogate=surrogate, transitions=transitions, policy=policy, conditioned=conditioned
    )


def _trained(
    plant: Plant, surrogate: Surrogate, where: Where, budget: Budget, seed: int, name: str
) -> NetworkPolicy:
    environments = Environments(problem=plant.practice(surrogate, where))
    return train_ppo(environments, practice(plant, seed), budget, name=name).policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What an arm begins with."""

    changed: Changed
    known: Before
    seed: int
    executor: Executor
    journal: Journal
    """Of this run of this arm alone, so that nothing is read back that its clock should count."""


def stale(start: Start) -> Timeline:
    """On the surrogate as it was, at the old parameters: what nobody told of the change does."""
    changed, known = start.changed, start.known
    return _imagined(start, changed.after, known.surrogate, None, known.policy, Recorder(0.0, 0))


def surrogate_cold(start: Start) -> Timeline:
    """On the surrogate, which learns first where it must, from no policy."""
    return _by_surrogate(start, None)


def surrogate_warm(start: Start) -> Timeline:
    """The same from the old policy."""
    return _by_surrogate(start, start.known.policy)


def surrogate_tuned(start: Start) -> Timeline:
    """The same for a while, then on the simulator."""
    setting, plant = start.changed.setting, start.changed.after
    surrogate, recorder = _renewed(start)
    _imagined(
        start,
        plant,
        surrogate,
        start.changed.beliefs,
        start.known.policy,
        recorder,
        seconds=setting.tuned_after,
    )
    practised = recorder.timeline
    last = practised[-1]
    settings = gentle(direct(plant, start.seed))
    tuning = Recorder(
        last.seconds,
        last.simulator_epochs,
        epochs_each=settings.transitions_per_iteration,
        is_warm=True,
    )
    _on_simulator(start, settings, last.policy, tuning, setting.tuned_seconds)
    return (*practised, *tuning.timeline)


def simulator_cold(start: Start) -> Timeline:
    """On the changed simulator, from no policy, on every core."""
    return _direct(start, direct(start.changed.after, start.seed), None)


def simulator_warm(start: Start) -> Timeline:
    """On the changed simulator, from the old policy, on every core."""
    settings = direct(start.changed.after, start.seed)
    careful = replace(settings, value_warmup_iterations=2, learning_rate=settings.learning_rate / 2)
    return _direct(start, careful, start.known.policy)


Arm = Callable[[Start], Timeline]
ARMS: dict[str, Arm] = {
    "surrogate warm": surrogate_warm,
    "surrogate cold": surrogate_cold,
    "surrogate warm, then simulator": surrogate_tuned,
    "stale surrogate": stale,
}
WARM, COLD = "simulator warm", "simulator cold"
DIRECT: dict[str, Arm] = {WARM: simulator_warm, COLD: simulator_cold}


def _by_surrogate(start: Start, policy: NetworkPolicy | None) -> Timeline:
    surrogate, recorder = _renewed(start)
    changed = start.changed
    return _imagined(start, changed.after, surrogate, changed.beliefs, policy, recorder)


def _renewed(start: Start) -> tuple[Surrogate, Recorder]:
    """The surrogate as it is needed now, and a clock that has counted what that took."""
    changed, known = start.changed, start.known
    began = time.perf_counter()
    turn = changed.setting.turn
    renewed = renew(
        changed.after,
        Incumbent(
            policy=known.policy,
            surrogate=known.surrogate,
            transitions=known.transitions,
            beliefs=changed.beliefs,
        ),
        Decision(change=turn.change, moved=tuple(turn.parameters), reason=turn.name),
        RenewalSettings(episodes=changed.setting.renewed_episodes, seed=start.seed),
        start.journal,
        start.executor,
    )
    spent = time.perf_counter() - began
    return renewed.surrogate, Recorder(spent, renewed.simulator_epochs)


def _imagined(
    start: Start,
    plant: Plant,
    surrogate: Surrogate,
    where: Where,
    policy: NetworkPolicy | None,
    recorder: Recorder,
    *,
    seconds: float | None = None,
) -> Timeline:
    settings = practice(plant, start.seed)
    environments = Environments(problem=plant.imagined(surrogate, where))
    if policy is not None:
        settings, policy = warm(settings), softened(policy, environments, start.seed)
    _practise(start, environments, settings, policy, recorder, seconds=seconds)
    return recorder.timeline


def _practise(
    start: Start,
    environments: Environments,
    settings: PPOSettings,
    policy: NetworkPolicy | None,
    recorder: Recorder,
    *,
    seconds: float | None = None,
) -> None:
    train_ppo(
        environments,
        settings,
        Budget(seconds=seconds or start.changed.setting.train_seconds),
        warm_start=policy,
        evaluate=recorder,
        evaluate_every=1,
        name="re-trained",
    )


def _direct(start: Start, settings: PPOSettings, policy: NetworkPolicy | None) -> Timeline:
    recorder = Recorder(
        0.0, 0, epochs_each=settings.transitions_per_iteration, is_warm=policy is not None
    )
    _on_simulator(start, settings, policy, recorder, start.changed.setting.simulator_seconds)
    return recorder.timeline


def _on_simulator(
    start: Start,
    settings: PPOSettings,
    policy: NetworkPolicy | None,
    recorder: Recorder,
    seconds: float,
) -> None:
    train_ppo(
        Environments(problem=start.changed.after.true(start.changed.parameters)),
        settings,
        Budget(seconds=seconds),
        warm_start=policy,
        evaluate=recorder,
        evaluate_every=1,
        name="re-trained on the simulator",
    )


def needs_nothing(change: Change) -> bool:
    """Whether a conditioned policy can answer at once."""
    return change in (Change.OBJECTIVE, Change.INSIDE)
