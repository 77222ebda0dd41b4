from collections.abc import Iterator

import pytest

from training.rllib.session import ray_session


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """One local Ray for all tests, because starting it takes seconds."""
    with ray_session(num_cpus=2):
        yield
