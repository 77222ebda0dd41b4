"""Decisions from observations, at once and without Ray."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from anyio.to_thread import run_sync
from prometheus_client import Counter

from service.clock import Clock
from service.models import artefacts
from service.models.operations import Models, Version
from service.models.schemas import Answer, Question
from service.platform import Platform
from service.problems import Problem
from surrogates.storage import load_artefact
from training.policies import NetworkPolicy

_FRESH_SECONDS = 1.0
"""For which an alias is taken to stand for what it did: so long after a promotion may the old
policy still answer."""
_MOST_POLICIES = 64


class Acting:
    """Policies held ready in memory."""

    def __init__(self, platform: Platform, models: Models) -> None:
        self._clock: Clock = platform.clock
        self._models = models
        self._known: dict[str, tuple[float, Version]] = {}
        self._policies: OrderedDict[str, NetworkPolicy] = OrderedDict()
        self._decisions = Counter(
            "surrogym_decisions_total", "Rows that a policy decided.", ["model"],
            registry=platform.metrics,
        )  # fmt: skip

    async def answer(self, reference: str, question: Question) -> Answer:
        """Decide each row; raises Problem for no such policy, or rows that are not its kind."""
        version = await self._version(reference)
        policy = await self._policy(version)
        seen = _matrix(question.observations, policy.features, "observations")
        allowed = _mask(question.allowed, len(seen), policy)
        memory = _memory(question.memory, len(seen), policy)
        actions = policy.act(seen, allowed, memory)
        remembered = policy.remember(seen, memory) if policy.units else None
        self._decisions.labels(version.name).inc(len(seen))
        return Answer(
            actions=actions.tolist(),
            memory=None if remembered is None else remembered.tolist(),
            model=version.name,
            version=version.version,
        )

    async def _version(self, reference: str) -> Version:
        known, now = self._known.get(reference), self._clock.monotonic()
        if known is not None and now < known[0]:
            return known[1]
        found = await run_sync(self._models.resolve, reference, "policy")
        if len(self._known) > 16 * _MOST_POLICIES:
            self._known.clear()
        self._known[reference] = (now + _FRESH_SECONDS, found)
        return found

    async def _policy(self, version: Version) -> NetworkPolicy:
        policy = self._policies.get(version.reference)
        if policy is None:
            policy = await run_sync(_loaded, version)
            self._policies[version.reference] = policy
            while len(self._policies) > _MOST_POLICIES:
                self._policies.popitem(last=False)
        self._policies.move_to_end(version.reference)
        return policy


def _loaded(version: Version) -> NetworkPolicy:
    return artefacts.policy_of(load_artefact(version.folder, kind="policy"))


def _matrix(rows: list[Any], width: int, what: str) -> np.ndarray:
    for row in rows:
        if len(row) != width:
            raise Problem("refused_input", f"{what}: {len(row)} numbers in a row, it has {width}")
    with np.errstate(over="ignore"):
        matrix = np.asarray(rows, dtype=np.float32)
    if not np.isfinite(matrix).all():
        raise Problem("refused_input", f"{what}: numbers that are finite as float32")
    return matrix


def _mask(rows: list[list[bool]] | None, count: int, policy: NetworkPolicy) -> np.ndarray | None:
    if rows is None:
        return None
    if len(rows) != count:
        raise Problem("refused_input", f"allowed: {len(rows)} rows for {count} observations")
    if policy.head.form != "joint":
        raise Problem("refused_input", "allowed: only a policy of joint choices has a mask")
    mask = _matrix(rows, policy.decisions, "allowed").astype(bool)
    if not mask.any(axis=1).all():
        raise Problem("refused_input", "allowed: a row allows no decision at all")
    return mask


def _memory(rows: list[Any] | None, count: int, policy: NetworkPolicy) -> np.ndarray | None:
    if rows is None:
        return policy.begin(count) if policy.units else None
    if not policy.units:
        raise Problem("refused_input", "memory: this policy has none, leave it out")
    if len(rows) != count:
        raise Problem("refused_input", f"memory: {len(rows)} rows for {count} observations")
    return _matrix(rows, policy.units, "memory")
