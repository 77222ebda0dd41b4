"""From no data to a policy: learn on the surrogate, look at the truth, correct, and again.

A policy finds what a surrogate gets wrong in its favour. So every round the policy runs on the true
simulator; where its cost there lies outside what the surrogate promised, those episodes are learnt
from and the policy goes on from where it is (the refresh of model-based policy optimisation, Janner
et al. 2019, with whole true episodes as the test). Where the episodes are too few to say, the same
policy makes more of them. The policy that is kept is the best of the rounds on fresh paired
episodes.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import Any

from sim.streams import stream
from surrogates.collect import collect
from surrogates.dataset import Transitions, concatenate
from surrogates.design import plan_episodes
from surrogates.errors import InvalidDataset
from surrogates.families import fit_family, refuse_unfit
from surrogates.fidelity.gap import Gap, optimism
from surrogates.fidelity.verdict import LARGEST_GAP
from surrogates.interface import Surrogate
from training.digests import digest_of
from training.evaluation import compare
from training.forms import CostsForm, PolicyForm, RecordForm, SurrogateForm, TransitionsForm
from training.journal import Journal
from training.loop.learning import OnPoint, Trained, TrainedForm, refit, seeds_of, train_imagined
from training.loop.visits import Visit, VisitForm, visit
from training.plant import Plant, Where
from training.policies import NetworkPolicy
from training.rllib.settings import Budget, PPOSettings
from training.search import episode_costs

FEWEST_VISITS = 10
"""True episodes below which a percentile bootstrap is too narrow to decide by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings:
    """How much of everything."""

    family: str = "flow"
    """Of the surrogate."""
    episodes: int = 200
    """True episodes to begin with, over the box of parameters and all kinds of behaviour."""
    ppo: PPOSettings = field(default_factory=PPOSettings)
    budget: Budget = field(default_factory=lambda: Budget(steps=3_000_000))
    """Of each round of training."""
    rounds: int = 3
    """Rounds at most."""
    visits: int = 40
    """True episodes under each round's policy."""
    doublings: int = 2
    """Times that they are doubled at most, where they leave the gap unknown."""
    imagined: int = 512
    """Episodes on the surrogate that they are compared with."""
    tolerance: float = 0.02
    """Share of the true cost by which the surrogate may be surely wrong and still be believed; that
    the gap is no larger than a tenth, or than this where it is more, has to be sure."""
    most_epochs: int | None = None
    """Epochs of the true simulator that no further round and no further visits may pass."""
    final_episodes: int = 40
    """True paired episodes on which the policies of the rounds are compared."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("episodes", "rounds", "final_episodes"):
            if getattr(self, name) < 1:
                raise InvalidDataset(f"{name} {getattr(self, name)}: at least 1")
        for name in ("visits", "imagined"):
            if getattr(self, name) < 2:
                raise InvalidDataset(
                    f"{name} {getattr(self, name)}: at least 2, for one says nothing of chance; "
                    f"nothing is believed on fewer than {FEWEST_VISITS} visits"
                )
        if self.doublings < 0:
            raise InvalidDataset(f"doublings {self.doublings}: 0 or more")
        if not self.tolerance >= 0:
            raise InvalidDataset(f"tolerance {self.tolerance}: 0 or more, a share of the cost")


def bearable(tolerance: float) -> float:
    """The largest gap of a surrogate that is believed: as `surrogates.fidelity` judges it."""
    return max(LARGEST_GAP, tolerance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of training and looking."""

    gap: Gap
    """What the surrogate promised too much, of that round's policy."""
    steps: int
    """Surrogate epochs of its training."""
    seconds: float
    """Wall time of its training."""

    def is_believed(self, tolerance: float) -> bool:
        """Whether the gap is surely bearable, and not surely more than this share of the cost."""
        return not self.is_open(tolerance) and not self._is_wrong(tolerance)

    def is_open(self, tolerance: float) -> bool:
        """Whether there were too few visits to say: more of them will."""
        if self.gap.simulated_episodes < FEWEST_VISITS:
            return True
        bound = bearable(tolerance)
        is_within = -bound <= self.gap.low and self.gap.high <= bound
        return not is_within and not self._is_wrong(tolerance)

    def _is_wrong(self, tolerance: float) -> bool:
        return self.gap.low > tolerance or self.gap.high < -tolerance

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Round:
        """Rebuild from a record."""
        return cls(**{**record, "gap": Gap(**record["gap"])})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pretrained:
    """What came of it."""

    policy: NetworkPolicy
    surrogate: Surrogate
    """As refitted last."""
    transitions: Transitions
    """All it was fitted to."""
    rounds: tuple[Round, ...]
    simulator_epochs: int
    """Epochs of the true simulator in all: collected, visited and compared."""
    reason: str
    """Why it ended where it did."""

    @property
    def is_believed(self) -> bool:
        """Whether the gap is surely small enough."""
        return self.reason == _BELIEVED


_BELIEVED = "what the surrogate hides of its policy's cost is surely little enough"


def pretrain(
    plant: Plant,
    settings: PretrainSettings,
    journal: Journal,
    executor: Executor,
    *,
    where: Where = None,
    transitions: Transitions | None = None,
    on_point: OnPoint | None = None,
) -> Pretrained:
    """Collect, fit, and train with refresh until the gap is small or the budget is spent.

    `where` says at which parameters policies are trained, nominal by default; they are judged at
    nominal ones. `transitions` that are there already take the place of the first collection.
    Every step is kept in the journal: a job that was killed goes on after its last finished one.
    """
    refuse_unfit(settings.family, plant.description)
    job = _Pretraining(plant, settings, journal, executor, where, transitions, on_point)
    gathered = job.collect() if transitions is None else transitions
    surrogate = job.fit(gathered)
    policies: list[NetworkPolicy] = []
    rounds: list[Round] = []
    spent = len(gathered) if transitions is None else 0
    reason = None
    while reason is None:
        number = len(rounds)
        trained = job.train(number, surrogate, policies[-1] if policies else None)
        policies.append(trained.policy)
        seen, found = job.look(number, surrogate, trained, spent)
        spent += len(seen.telemetry)
        rounds.append(found)
        reason = job.reason_to_end(rounds, spent)
        if reason is None:
            gathered = concatenate([gathered, seen.telemetry])
            surrogate = job.refit(number, surrogate, gathered)
    best, compared = job.choose(policies)
    return Pretrained(
        policy=best,
        surrogate=surrogate,
        transitions=gathered,
        rounds=tuple(rounds),
        simulator_epochs=spent + compared * plant.description.epochs,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class _Pretraining:
    """The steps, each kept in the journal."""

    plant: Plant
    settings: PretrainSettings
    journal: Journal
    executor: Executor
    where: Where
    given: Transitions | None
    on_point: OnPoint | None

    def collect(self) -> Transitions:
        settings, description = self.settings, self.plant.description
        plans = plan_episodes(description, settings.episodes, settings.seed)
        return self.journal.step(
            "collect",
            lambda: collect(
                self.plant.build,
                plans,
                self.executor,
                on_progress=self.journal.counting(len(plans)),
            ),
            TransitionsForm(description=description, lineage=self._lineage),
            self._simulated,
        )

    def fit(self, gathered: Transitions) -> Surrogate:
        family, description = self.settings.family, self.plant.description
        random = stream(self.settings.seed, "fit")
        return self.journal.step(
            "fit",
            lambda: fit_family(family, gathered, description, random, self.journal.at),
            self._surrogates,
            self._fitted,
        )

    def train(self, number: int, surrogate: Surrogate, before: NetworkPolicy | None) -> Trained:
        settings = self.settings
        return self.journal.step(
            f"round-{number + 1}/train",
            lambda: train_imagined(
                self.plant,
                surrogate,
                settings.ppo,
                settings.budget,
                where=self.where,
                warm_start=before,
                name=f"round {number + 1}",
                on_point=self.on_point,
            ),
            TrainedForm(
                policies=PolicyForm(system=self.plant.description.name, lineage=self._lineage)
            ),
            self._trained,
        )

    def look(
        self, number: int, surrogate: Surrogate, trained: Trained, spent: int
    ) -> tuple[Visit, Round]:
        """Visit and judge, with twice the visits as long as they leave the gap unknown."""
        settings = self.settings
        seen = self.visit(number, trained.policy, settings.visits, 1)
        found = self.judge(number, surrogate, trained, seen, 1)
        for attempt in range(2, settings.doublings + 2):
            is_open = found.is_open(settings.tolerance)
            if not is_open or self.passes(spent + 2 * len(seen.telemetry), number + 1):
                break
            more = self.visit(number, trained.policy, len(seen.costs), attempt)
            seen = seen.followed_by(more)
            found = self.judge(number, surrogate, trained, seen, attempt)
        return seen, found

    def passes(self, spent: int, policies: int) -> bool:
        """Whether so many epochs, and a choice among so many policies, are more than there are."""
        settings = self.settings
        final = settings.final_episodes * policies if policies > 1 else 0
        wanted = spent + final * self.plant.description.epochs
        return settings.most_epochs is not None and wanted > settings.most_epochs

    def visit(self, number: int, policy: NetworkPolicy, episodes: int, attempt: int) -> Visit:
        purpose = ("visit", str(number), *_again(attempt))
        seeds = seeds_of(self.settings.seed, episodes, *purpose)
        controller = self.plant.controller(policy)
        return self.journal.step(
            "-".join([f"round-{number + 1}/visit", *_again(attempt)]),
            lambda: visit(
                self.plant,
                controller,
                seeds,
                self.executor,
                on_progress=self.journal.counting(len(seeds)),
            ),
            VisitForm(description=self.plant.description, lineage=self._lineage),
            self._trained,
        )

    def judge(
        self, number: int, surrogate: Surrogate, trained: Trained, seen: Visit, attempt: int
    ) -> Round:
        settings = self.settings

        def make() -> Round:
            random = stream(settings.seed, "gap", str(number))
            problem, controller = (
                self.plant.imagined(surrogate),
                self.plant.controller(trained.policy),
            )
            seed = int(random.integers(2**31))
            promised = episode_costs(problem, controller, settings.imagined, seed)
            gap = optimism(seen.costs, promised, random)
            return Round(gap=gap, steps=trained.steps, seconds=trained.seconds)

        return self.journal.step(
            "-".join([f"round-{number + 1}/judge", *_again(attempt)]),
            make,
            RecordForm(from_record=Round.from_record),
            {"imagined": settings.imagined, **self._trained},
        )

    def reason_to_end(self, rounds: list[Round], spent: int) -> str | None:
        settings, last = self.settings, rounds[-1]
        if last.is_believed(settings.tolerance):
            return _BELIEVED
        if last.is_open(settings.tolerance):
            return _left_open(last.gap, settings.tolerance)
        if len(rounds) >= settings.rounds:
            return f"{settings.rounds} rounds were all there were"
        visits = settings.visits * self.plant.description.epochs
        if self.passes(spent + visits, len(rounds) + 1):
            return f"another round would pass {settings.most_epochs:,} simulator epochs"
        return None

    def refit(self, number: int, surrogate: Surrogate, gathered: Transitions) -> Surrogate:
        random = stream(self.settings.seed, "refit", str(number))
        return self.journal.step(
            f"round-{number + 1}/refit",
            lambda: refit(surrogate, gathered, random, self.journal.at),
            self._surrogates,
            self._trained,
        )

    def choose(self, policies: list[NetworkPolicy]) -> tuple[NetworkPolicy, int]:
        """The best on paired fresh episodes, and how many episodes that took."""
        if len(policies) == 1:
            return policies[0], 0
        settings, plant = self.settings, self.plant
        seeds = seeds_of(settings.seed, settings.final_episodes, "final")
        controllers = [plant.controller(policy) for policy in policies]
        costs = self.journal.step(
            "final",
            lambda: compare(
                plant.build,
                controllers,
                plant.objective,
                seeds,
                self.executor,
                on_progress=self.journal.counting(len(controllers) * len(seeds)),
            ),
            CostsForm(),
            {
                "seeds": list(seeds),
                "policies": [policy.name for policy in policies],
                **self._trained,
            },
        )
        best = costs.best([policy.name for policy in policies])
        chosen = next(policy for policy in policies if policy.name == best)
        return chosen, len(policies) * len(seeds)

    @property
    def _simulated(self) -> dict[str, Any]:
        """What the first episodes depend on."""
        settings, plant = self.settings, self.plant
        return {
            "simulator": digest_of(plant.build, plant.description),
            "seed": settings.seed,
            "episodes": settings.episodes,
        }

    @property
    def _fitted(self) -> dict[str, Any]:
        """What the first surrogate depends on."""
        given = None if self.given is None else digest_of(self.given)
        return {"family": self.settings.family, "given": given, **self._simulated}

    @property
    def _trained(self) -> dict[str, Any]:
        """What policies depend on, and all that is learnt from them."""
        settings = self.settings
        return {
            "ppo": asdict(settings.ppo),
            "budget": asdict(settings.budget),
            "visits": settings.visits,
            "task": digest_of(self.plant),
            "where": digest_of(self.where),
            **self._fitted,
        }

    @property
    def _lineage(self) -> dict[str, Any]:
        return {"seed": self.settings.seed}

    @property
    def _surrogates(self) -> SurrogateForm:
        return SurrogateForm(description=self.plant.description, lineage=self._lineage)


def _again(attempt: int) -> tuple[str, ...]:
    """What tells further visits of a policy from the first."""
    return () if attempt == 1 else (str(attempt),)


def _left_open(gap: Gap, tolerance: float) -> str:
    return (
        f"{gap.simulated_episodes} visits leave open how wrong the surrogate is about its policy: "
        f"{gap.value:+.1%} [{gap.low:+.1%}, {gap.high:+.1%}], {bearable(tolerance):.0%} either way "
        f"on {FEWEST_VISITS} visits or more is allowed: raise visits, doublings or most_epochs"
    )
