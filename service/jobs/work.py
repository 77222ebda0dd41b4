"""What a kind of job is given, in the process of an attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from service.jobs.notes import POINT, Notes
from service.jobs.progress import Progress
from service.jobs.results import Making, digest_of
from service.jobs.specs import BaseSpec, BudgetSpec
from service.jobs.subject import Subject
from sim.provenance import commit
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import Surrogate
from surrogates.storage import load_artefact, load_as_learnt, save_artefact, save_surrogate
from surrogates.support import Support
from training.evaluation import Comparison
from training.forms import CostsForm, TransitionsForm
from training.journal import Journal
from training.plant import Plant
from training.policies import NetworkPolicy
from training.rllib.train import CurvePoint

S = TypeVar("S", bound=BaseSpec)
_LONGEST_ROLLOUT, _LONG_EPISODE = 64, 100


def origin_of(inputs: Mapping[str, Path]) -> dict[str, Any]:
    """The code's commit or version, and a SHA-256 for each input."""
    digests = {name: digest_of(folder) for name, folder in inputs.items()}
    return {"commit": commit(), "inputs": digests}


@dataclass(frozen=True, kw_only=True)
class Work(Generic[S]):
    """One job at work: its spec, what it stands on, and where what it makes goes."""

    job: str
    spec: S
    inputs: Mapping[str, Path]
    """Folders of the artefacts that the spec names."""
    origin: Mapping[str, Any]
    """The code that runs and what it stands on, as `origin_of` tells them."""
    subject: Subject
    journal: Journal
    progress: Progress
    notes: Notes
    executor: Executor
    making: Making

    @property
    def plant(self) -> Plant:
        """The system and what is wanted of it."""
        return self.subject.plant

    @property
    def lineage(self) -> dict[str, Any]:
        """Where what is made comes from."""
        spec = self.spec
        return {"job": self.job, "seed": spec.seed, "scenario": spec.scenario, **self.origin}

    @property
    def transitions_form(self) -> TransitionsForm:
        """How this job's transitions are kept."""
        return TransitionsForm(description=self.subject.description, lineage=self.lineage)

    def policy(self, name: str) -> NetworkPolicy:
        """A policy that the spec names; raises InvalidDataset for one that sees something else."""
        folder, description = self.inputs[name], self.subject.description
        artefact = load_artefact(folder, kind="policy", system=description.name)
        policy = NetworkPolicy.from_tensors(
            artefact.tensors, name=str(artefact.manifest.get("name", name))
        )
        seen = len(self.plant.observation.names)
        if policy.features != seen:
            raise InvalidDataset(
                f"{name}: this policy sees {policy.features} numbers, the system shows {seen}: "
                "train one for it"
            )
        return policy

    def surrogate(self, name: str) -> Surrogate:
        """A surrogate that the spec names, over the box that it has learnt."""
        return load_as_learnt(self.inputs[name], self.subject.description)

    def transitions(self, name: str) -> Transitions:
        """Transitions that the spec names."""
        return self.transitions_form.read(self.inputs[name])

    def keep_policy(self, policy: NetworkPolicy, name: str = "policy", **facts: Any) -> None:
        """Add a policy to what is made."""
        told = self.lineage | facts | {
            "kind": "policy",
            "name": policy.name,
            "system": self.subject.description.name,
            "observation": list(self.plant.observation.names),
            "decisions": self.subject.description.decisions.tolist(),
        }  # fmt: skip
        self.making.keep(
            name, "policy", lambda folder: save_artefact(folder, policy.to_tensors(), told), told
        )

    def keep_surrogate(
        self, surrogate: Surrogate, support: Support | None = None, **facts: Any
    ) -> None:
        """Add a surrogate to what is made."""
        lineage = self.lineage | facts
        self.making.keep(
            "surrogate",
            "surrogate",
            lambda folder: save_surrogate(folder, surrogate, lineage, support),
            {**lineage, "family": surrogate.name},
        )

    def keep_transitions(self, transitions: Transitions) -> str:
        """Add transitions to what is made; their digest."""
        kept = self.making.keep(
            "transitions",
            "transitions",
            lambda folder: self.transitions_form.write(folder, transitions),
            {**self.lineage, "rows": len(transitions)},
        )
        return digest_of(kept)

    def keep_comparison(self, comparison: Comparison) -> None:
        """Add paired costs to what is made."""
        self.making.keep(
            "comparison",
            "comparison",
            lambda folder: CostsForm().write(folder, comparison),
            self.lineage,
        )

    def curve(
        self, step: str, budget: BudgetSpec, name: str, share: float = 1.0
    ) -> Callable[[CurvePoint], None]:
        """Hears the training of that name, which is such a share of that step."""
        return partial(self.point, step, budget, name, share=share)

    def point(
        self, step: str, budget: BudgetSpec, name: str, point: CurvePoint, share: float = 1.0
    ) -> None:
        """One point of the curve of a training that is such a share of that step."""
        self.notes.say_seldom(
            POINT,
            training=name,
            seconds=point.seconds,
            steps=point.steps,
            episodes=point.episodes,
            mean_return=point.mean_return,
            evaluation=point.evaluation,
        )
        spent = budget.to_settings().spent(seconds=point.seconds, steps=point.steps)
        self.progress.at(step, share * spent)

    @property
    def defaults(self) -> dict[str, Any]:
        """What suits trainings on this system where nothing else is told."""
        epochs = self.subject.description.epochs
        long = 1.0 - 10.0 / max(epochs, 1000)
        return {
            "rollout_length": min(epochs, _LONGEST_ROLLOUT),
            "discount": 1.0 if epochs <= _LONG_EPISODE else long,
        }
