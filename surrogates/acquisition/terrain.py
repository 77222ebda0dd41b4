"""The space of situations, and what data leave open of it.

How much one situation tells of another is a prior over functions of (state, decision, parameters):
about half of their variance is a straight line, half a stationary deviation from it (a Gaussian
kernel in random Fourier features, Rahimi and Recht 2007). In features the posterior is one matrix,
so that the effect of a whole episode that has not been run is exact algebra: variances do not
depend on what will be observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description
from surrogates.acquisition.rehearsal import Situations
from surrogates.features import PlainFeatures

_FARTHEST = 5.0
"""Standard deviations beyond which an input counts as the edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerrainSettings:
    """The prior of what is to be learnt."""

    waves: int = 192
    """Random features of the deviation; more resolve finer ones, at the cost of their square."""
    noise: float = 4.0
    """Variance of an epoch's chance over that of what is to be learnt."""
    luck: float = 1.0
    """Variance of the chance that all epochs of an episode share, over the same: a busy day is busy
    in all its epochs, and they all have one set of parameters."""


class Terrain:
    """Features of situations, standardised by some that are met."""

    def __init__(
        self,
        description: Description,
        met: Sequence[Situations],
        settings: TerrainSettings,
        random: np.random.Generator,
    ) -> None:
        self._inputs = PlainFeatures(description)
        raw = np.concatenate([self._raw(situations) for situations in met])
        self._centre, self._width = raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-6)
        self._is_moving = raw.std(axis=0) > 1e-6
        moving = max(1, int(self._is_moving.sum()))
        # A length scale of one deviation in each of the inputs together.
        self._waves = random.normal(size=(int(self._is_moving.sum()), settings.waves)) / moving**0.5
        self._phases = random.uniform(0.0, 2 * np.pi, size=settings.waves)
        self._slope = (0.5 / (moving + 1)) ** 0.5

    def _raw(self, situations: Situations) -> Float[np.ndarray, "row input"]:
        return self._inputs.matrix(situations.state, situations.decision, situations.parameters)

    def features(self, situations: Situations) -> Float[np.ndarray, "row feature"]:
        """A row of length 1 for each situation; dot products are prior correlations.

        Every situation is as open as another at first: extremes, where a line has most leverage,
        are also where chance is largest, and must not be sought for their leverage.
        """
        scaled = (self._raw(situations) - self._centre) / self._width
        seen = np.clip(scaled[:, self._is_moving], -_FARTHEST, _FARTHEST)
        waves = np.cos(seen @ self._waves + self._phases) / len(self._phases) ** 0.5
        line = self._slope * np.column_stack([seen, np.ones(len(seen))])
        rows = np.concatenate([line, waves], axis=1)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


class Unknown:
    """What episodes leave open: the posterior covariance of the features' weights.

    Rows of one episode share a part of their chance, so that looking on at the same day tells less
    and less of what is the same all day, and as much as ever of what changes within it.
    """

    def __init__(self, features: int, settings: TerrainSettings) -> None:
        """Nothing is known yet."""
        self._settings = settings
        self._covariance = np.eye(features)

    @classmethod
    def given(
        cls,
        seen: Float[np.ndarray, "row feature"],
        episode: Int[np.ndarray, "row"],
        settings: TerrainSettings,
    ) -> Unknown:
        """What rows of some episodes leave open."""
        unknown = cls(seen.shape[1], settings)
        # In the sums over episodes the shared chance is taken off again (Sherman and Morrison).
        _, numbers, lengths = np.unique(episode, return_inverse=True, return_counts=True)
        sums = np.zeros((len(lengths), seen.shape[1]))
        np.add.at(sums, numbers, seen)
        shared = settings.luck / (settings.noise + settings.luck * lengths)
        told = seen.T @ seen - sums.T @ (shared[:, None] * sums)
        unknown._covariance = np.linalg.inv(np.eye(seen.shape[1]) + told / settings.noise)
        return unknown

    def variance(self, rows: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, "row"]:
        """What is still open at each row; 1 where nothing is known."""
        return np.asarray(np.einsum("rf,rf->r", rows @ self._covariance, rows))

    def relief(
        self,
        rows: Float[np.ndarray, "row feature"],
        weight: Float[np.ndarray, "feature feature"],
    ) -> float:
        """By how much seeing an episode's rows would lessen the weighted variance."""
        explained, told = self._told_by(rows)
        return float(np.einsum("rf,rf->", explained, told @ weight))

    def see(self, rows: Float[np.ndarray, "row feature"]) -> None:
        """Take an episode's rows as seen."""
        explained, told = self._told_by(rows)
        self._covariance -= told.T @ explained

    def _told_by(
        self, rows: Float[np.ndarray, "row feature"]
    ) -> tuple[Float[np.ndarray, "row feature"], Float[np.ndarray, "row feature"]]:
        told = rows @ self._covariance
        inner = told @ rows.T + self._settings.luck
        inner[np.diag_indices_from(inner)] += self._settings.noise
        return np.linalg.solve(inner, told), told
