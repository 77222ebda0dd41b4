"""Experience to learn from again and again: flat arrays, the oldest rows overwritten."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from training.rllib.experience import Experience


class Replay:
    """The last `capacity` transitions in a ring of arrays, drawn from uniformly.

    Adding a whole batch is one or two copies, and drawing one look-up a column; RLlib's buffers
    hand out episode objects instead, which takes twenty times as long as learning from them.
    The memory is taken at the first rows, when the widths of the columns are known.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._columns: dict[str, torch.Tensor] = {}
        self._next = 0
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, experience: Experience) -> None:
        """Keep these rows, in place of the oldest ones; of more than fit, the last ones."""
        rows = min(len(experience), self.capacity)
        before_edge = min(rows, self.capacity - self._next)
        for name, column in experience.to_columns().items():
            newest = column[-rows:]
            ring = self._ring(name, newest)
            ring[self._next : self._next + before_edge] = newest[:before_edge]
            ring[: rows - before_edge] = newest[before_edge:]
        self._next = (self._next + rows) % self.capacity
        self._rows = min(self._rows + rows, self.capacity)

    def draw(
        self, batches: int, size: int, random: np.random.Generator
    ) -> Iterator[dict[str, torch.Tensor]]:
        """Batches of `size` rows by column, each row equally likely each time."""
        for rows in torch.from_numpy(random.integers(self._rows, size=(batches, size))):
            yield {name: column.index_select(0, rows) for name, column in self._columns.items()}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The rows by column, oldest first, as copies."""
        order = (np.arange(self._rows) + self._next - self._rows) % self.capacity
        return {name: column.numpy()[order] for name, column in self._columns.items()}

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Hold what `to_arrays` gave and nothing else; of more than fit, the last rows."""
        self._columns, self._rows = {}, 0
        for name, array in arrays.items():
            newest = array[-self.capacity :]
            self._ring(name, newest)[: len(newest)] = newest
            self._rows = len(newest)
        self._next = self._rows % self.capacity

    def _ring(self, name: str, like: np.ndarray) -> np.ndarray:
        """A column to write to, in the memory of its tensor."""
        if name not in self._columns:
            self._columns[name] = torch.from_numpy(
                np.empty((self.capacity, *like.shape[1:]), dtype=like.dtype)
            )
        ring: np.ndarray = self._columns[name].numpy()
        return ring
