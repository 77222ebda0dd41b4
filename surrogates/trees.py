"""Forests that answer with what was seen where the question lands.

A regression forest for each free number cuts its inputs into leaves; a draw takes a tree at random
and one of the training values that fell into the same leaf (quantile regression forests,
Meinshausen 2006). No law is assumed, and no value is drawn that was never seen; so a forest does
not extrapolate, and a draw has no density: there is no likelihood.

Artefacts hold the forests in the format of skops, inside the weights. On the way back only the
types named here are made beside plain estimators, and every tree is checked to lead downwards and
to ask for inputs that exist: scikit-learn itself follows whatever numbers it is given.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from zipfile import ZIP_DEFLATED, BadZipFile

import numpy as np
import skops.io
from jaxtyping import Float, Float32, Int
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.tree._tree import Tree
from skops.io.exceptions import UntrustedTypesFoundException

from sim.description import Description
from surrogates.coordinates import Coordinates, learn_coordinates, restore_coordinates
from surrogates.dataset import Transitions, refuse_unusable
from surrogates.errors import InvalidDataset, TamperedArtefact
from surrogates.lessons import Lessons, Scales, prepare
from surrogates.progress import Progress, unheard
from surrogates.recorded import settings_from_tensors, settings_to_tensors
from surrogates.stepwise import StepwiseSurrogate

TRUSTED = ("sklearn.tree._tree.Tree",)
"""The types of a saved forest beside scikit-learn's estimators, which skops knows to be harmless,
and numpy's arrays. A tree is not harmless by itself, so its contents are checked too."""
_FORESTS = "forests.skops"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesSettings:
    """How the forests grow."""

    trees: int = 10
    """Trees for each number."""
    leaf: int = 20
    """Least number of epochs in a leaf: fewer follow the data closer, more give a fuller law."""
    share: float = 0.35
    """Share of the inputs that are looked at for each cut."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise InvalidDataset(f"{field.name} {getattr(self, field.name)}: above 0")
        if self.share > 1:
            raise InvalidDataset(f"share {self.share}: at most 1, all inputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """The trees of one number, and the values in their leaves."""

    grown: RandomForestRegressor
    answers: Float32[np.ndarray, "tree row"]
    """Training values on the modelling scale, leaf by leaf."""
    starts: Int[np.ndarray, "node"]
    """Where each node's values begin, tree after tree, with the end after the last of each."""

    @property
    def trees(self) -> list[Tree]:
        """The trees themselves."""
        return [tree.tree_ for tree in self.grown.estimators_]

    def draw(
        self, inputs: Float32[np.ndarray, "batch input"], random: np.random.Generator
    ) -> Float32[np.ndarray, "batch"]:
        """For each row a value from the leaf of a tree drawn for it."""
        drawn = np.empty(len(inputs), np.float32)
        chosen = random.integers(len(self.answers), size=len(inputs))
        place = random.random(len(inputs))
        first = 0
        for number, tree in enumerate(self.trees):
            rows = np.flatnonzero(chosen == number)
            leaves = first + tree.apply(inputs[rows])
            begin, end = self.starts[leaves], self.starts[leaves + 1]
            at = begin + (place[rows] * (end - begin)).astype(int)
            drawn[rows] = self.answers[number, at]
            first += tree.node_count + 1
        return drawn


class TreesSurrogate(StepwiseSurrogate):
    """A forest for every free number; see the module."""

    name = "trees"

    def __init__(
        self,
        coordinates: Coordinates,
        scales: Scales,
        forests: list[Forest],
        settings: TreesSettings,
    ) -> None:
        super().__init__(coordinates, scales)
        self.settings, self._forests = settings, forests

    def _draw(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        random: np.random.Generator,
    ) -> Float[np.ndarray, "batch"]:
        return self._forests[position].draw(inputs, random).astype(float)

    def update(
        self,
        transitions: Transitions,
        random: np.random.Generator,
        on_progress: Progress | None = None,
    ) -> TreesSurrogate:
        """Grow the forests again from all these transitions: cuts cannot be moved."""
        return fit_trees(transitions, self.description, self.settings, random, on_progress)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        saved = skops.io.dumps([f.grown for f in self._forests], compression=ZIP_DEFLATED)
        own: dict[str, np.ndarray] = {_FORESTS: np.frombuffer(saved, np.uint8)}
        for i, forest in enumerate(self._forests):
            own |= {f"answers.{i}": forest.answers, f"starts.{i}": forest.starts}
        return {
            **own,
            **self._scales.to_tensors(),
            **settings_to_tensors(self.settings),
            **self._coordinates.to_tensors(),
        }

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> TreesSurrogate:
        """The surrogate that `to_tensors` was asked of.

        Raises TamperedArtefact for forests that hold anything but sound trees.
        """
        coordinates = restore_coordinates(description, tensors)
        scales = Scales.from_tensors(tensors, description)
        forests = [
            Forest(grown=grown, answers=tensors[f"answers.{i}"], starts=tensors[f"starts.{i}"])
            for i, grown in enumerate(_read(tensors[_FORESTS].tobytes()))
        ]
        numbers, inputs = len(coordinates.coordinates), scales.inputs.shape[1]
        if len(forests) != numbers:
            raise TamperedArtefact(f"{len(forests)} forests for {numbers} numbers: fit again")
        for forest in forests:
            _refuse_unsound(forest, inputs)
        settings = settings_from_tensors(TreesSettings, tensors)
        return cls(coordinates, scales, forests, settings)


def _read(saved: bytes) -> list[RandomForestRegressor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            forests = skops.io.loads(saved, trusted=list(TRUSTED))
    except InconsistentVersionWarning as error:
        raise TamperedArtefact(
            f"forests of scikit-learn {error.original_sklearn_version}, here is "
            f"{error.current_sklearn_version}: install that version, or fit again"
        ) from error
    except UntrustedTypesFoundException as error:
        raise TamperedArtefact(f"forests with other types than trees: {error}") from error
    except (BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise TamperedArtefact(f"no forests that skops can read ({error}): fit again") from error
    if not isinstance(forests, list) or any(type(f) is not RandomForestRegressor for f in forests):
        raise TamperedArtefact("something else where the forests should be: fit again")
    return forests


def _refuse_unsound(forest: Forest, inputs: int) -> None:
    """Raise TamperedArtefact where following the numbers of a tree would leave its arrays."""
    first = 0
    for tree in forest.trees:
        nodes, inner = np.arange(tree.node_count), tree.children_left >= 0
        children = np.stack([tree.children_left[inner], tree.children_right[inner]])
        starts = forest.starts[first : first + tree.node_count + 1]
        is_sound = (
            (children > nodes[inner]).all()
            and (children < tree.node_count).all()
            and ((tree.feature[inner] >= 0) & (tree.feature[inner] < inputs)).all()
            and len(starts) == tree.node_count + 1
            and (np.diff(starts)[~inner] > 0).all()
            and starts[0] == 0
            and (np.diff(starts) >= 0).all()
            and starts[-1] == forest.answers.shape[1]
        )
        if not is_sound:
            raise TamperedArtefact("a tree leads outside of its own arrays: fit again")
        first += tree.node_count + 1
    if len(forest.trees) != len(forest.answers):
        raise TamperedArtefact("trees and their values differ in number: fit again")


def fit_trees(
    transitions: Transitions,
    description: Description,
    settings: TreesSettings,
    random: np.random.Generator,
    on_progress: Progress | None = None,
) -> TreesSurrogate:
    """Grow a forest for every free number on the epochs that left it a choice."""
    refuse_unusable(transitions, description)
    progress = on_progress or unheard
    free = learn_coordinates(description, transitions)
    scales, lessons = prepare(transitions, free)
    forests = []
    for position in range(lessons.numbers):
        forests.append(_grow(lessons, scales, position, settings, random))
        progress((position + 1) / lessons.numbers)
    return TreesSurrogate(free, scales, forests, settings)


def _grow(
    lessons: Lessons,
    scales: Scales,
    position: int,
    settings: TreesSettings,
    random: np.random.Generator,
) -> Forest:
    rows = lessons.free_rows(position)
    inputs, targets = lessons.inputs(position, rows), lessons.targets[position, rows]
    grown = RandomForestRegressor(
        settings.trees,
        min_samples_leaf=min(settings.leaf, max(1, len(rows) // 2)),
        max_features=settings.share,
        random_state=int(random.integers(2**31)),
    ).fit(inputs, targets)
    centre, spread = scales.coordinate[:, position]
    scaled = (centre + spread * targets.astype(float)).astype(np.float32)
    answers, starts = [], []
    for tree in grown.estimators_:
        leaves = tree.tree_.apply(inputs)
        answers.append(scaled[np.argsort(leaves, kind="stable")])
        counts = np.bincount(leaves, minlength=tree.tree_.node_count)
        starts.append(np.concatenate([[0], np.cumsum(counts)]))
    return Forest(grown=grown, answers=np.stack(answers), starts=np.concatenate(starts))
