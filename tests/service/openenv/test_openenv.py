"""OpenEnv's own client and validator against a service that knows nothing of their library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs.registration import make_environment
from tests.service.conftest import KEY, Served

if os.environ.get("SURROGYM_REQUIRE_OPENENV") == "1":
    import openenv
else:
    openenv = pytest.importorskip("openenv")

pytestmark = pytest.mark.openenv


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data: Path = tmp_path_factory.mktemp("openenv") / "data"
    with closing(Served(data=data, environment={"SURROGYM_KEY": KEY})) as handle:
        yield handle.start()


def client_of(address: str, **given: Any) -> Any:
    """The least client that their base class allows."""
    from openenv.core import EnvClient
    from openenv.core.client_types import StepResult

    class Client(EnvClient):  # type: ignore[misc]
        def _step_payload(self, action: Any) -> dict[str, Any]:
            return {"action": action}

        def _parse_result(self, payload: dict[str, Any]) -> Any:
            return StepResult(
                observation=payload["observation"],
                reward=payload["reward"],
                done=payload["done"],
            )

        def _parse_state(self, payload: dict[str, Any]) -> Any:
            return payload

    headers = {"Authorization": f"Bearer {KEY}"}
    return Client(base_url=address, **{"headers": headers} | given).sync()


def test_their_client_plays_a_whole_episode(served: Served) -> None:
    """And sees what a local environment shows."""
    local = make_environment("clinic")
    seen, _ = local.reset(seed=4)
    with client_of(f"{served.address}/openenv/clinic") as client:
        result = client.reset(seed=4, episode_id="first")
        np.testing.assert_array_equal(np.float32(result.observation["values"]), seen)
        steps = 0
        while not result.done:
            result = client.step(steps % 24)
            seen, reward, *_ = local.step(np.int64(steps % 24))
            np.testing.assert_array_equal(np.float32(result.observation["values"]), seen)
            assert result.reward == reward
            steps += 1
        assert client.state() == {"episode_id": "first", "step_count": steps}
        with pytest.raises(RuntimeError, match="not_reset"):
            client.step(0)
        assert client.reset(seed=4).done is False


def test_a_refused_message_is_an_error_and_the_next_is_answered(served: Served) -> None:
    """In the words of their protocol, of which the client makes an exception."""
    with client_of(f"{served.address}/openenv/clinic") as client:
        client.reset()
        for wrong in (999, "up", None):
            with pytest.raises(RuntimeError, match="invalid_action"):
                client.step(wrong)
        with pytest.raises(RuntimeError, match="VALIDATION_ERROR"):
            client.reset(wrld="simulator")
        assert client.reset(mask="feasible").observation["metadata"]["action_mask"]
        assert client.step(0).reward < 0


def test_without_a_key_nothing_is_stepped(served: Served) -> None:
    """Their protocol has no keys, and ours is not open to whoever speaks theirs."""
    with (
        pytest.raises((RuntimeError, ConnectionError), match="unauthenticated"),
        client_of(
            f"{served.address}/openenv/clinic", headers={"Authorization": "Bearer sgk_wrong"}
        ) as client,
    ):
        client.reset()


def test_sessions_end_with_their_connection(served: Served) -> None:
    """A client that leaves holds no slot."""
    with client_of(f"{served.address}/openenv/clinic") as client:
        client.reset()
    for _ in range(50):
        items = served.client().get("/v1/sessions").json()["items"]
        if {item["state"] for item in items} == {"closed"}:
            return
    raise AssertionError("a session was left open")


def test_their_validator_is_content(served: Served) -> None:
    """By their command, as their users run it."""
    assert openenv is not None
    command = [sys.executable, "-m", "openenv.cli", "validate", "--url"]
    ran = subprocess.run(
        [*command, f"{served.address}/openenv/clinic"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "FAIL" not in ran.stdout
