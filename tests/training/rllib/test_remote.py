"""RLlib as it comes trains on environments that a service steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import numpy as np
import pytest

from envs.remote import RemoteEnv
from tests.service.conftest import KEY, Served
from training.rllib.settings import Budget, PPOSettings
from training.rllib.stock import train_stock_ppo

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("remote") / "data"
    with closing(Served(data=data, environment={"SURROGYM_KEY": KEY})) as served:
        yield served.start()


def test_stock_ppo_trains_on_a_service(service: Served) -> None:
    """Each runner has a session of its own, and the policy is one that can be kept and served."""
    settings = PPOSettings(num_envs=1, rollout_length=48, minibatch_size=48, hidden=(8,), seed=1)
    make = partial(RemoteEnv, service.address, "clinic", key=KEY, seed=3)
    training = train_stock_ppo(make, settings, Budget(steps=96))
    assert training.steps[-1] >= 96
    with RemoteEnv(service.address, "clinic", key=KEY, seed=4) as environment:
        seen, _ = environment.reset(seed=5)
        (action,) = training.policy.act(seen[None, :].astype(np.float32))
        assert np.isfinite(environment.step(action)[1])
