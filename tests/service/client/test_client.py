"""The typed client against a real service: what it gives, what it catches, what it asks again."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from envs.remote import RemoteEnv
from service.client import Client, NotReached, Refusal
from service.database import Database
from surrogates.storage import load_artefact
from tests.service.conftest import KEY, Served
from tests.service.test_models import SYSTEM, gated, policy, saved


def test_everything_but_stepping_from_python(served: Served, tmp_path: Path) -> None:
    """A model goes up, is put in charge, decides, is challenged, and comes back byte for byte."""
    with Client(served.address, KEY) as client:
        assert SYSTEM in client.scenarios()
        assert client.scenario(SYSTEM).levers
        for seed in (1, 2):
            folder = saved(tmp_path / str(seed), seed)
            made = client.models.upload("desk", folder, kind="policy", system=SYSTEM)
            assert made.version == seed
        champion = client.models.move("desk", "champion", 1, "the first", seen=None)
        with pytest.raises(Refusal) as refused:
            client.models.move("desk", "champion", 2, "too late", seen=None)
        assert refused.value.code == "precondition_failed"
        with pytest.raises(Refusal, match="promotion_refused"):
            client.models.promote("desk", 2, "re-trained", None)
        with closing(Database(f"sqlite:///{served.data / 'surrogym.db'}")) as database:
            job = gated(database, f"models/desk/{champion.version}", "desk", 2, high=-0.01)
        assert client.models.promote("desk", 2, "re-trained", job).version == 2
        rows = np.random.default_rng(3).normal(size=(20, 3)).astype(np.float32)
        assert client.models.act("desk@champion", rows).actions == policy(2).act(rows).tolist()
        assert client.models.roll_back("desk", "champion", "queues grew").version == 1
        assert len(client.models.history("desk")) == 4
        client.models.download("desk", 2, tmp_path / "back")
        assert load_artefact(tmp_path / "back", kind="policy").manifest["seed"] == 2
        with pytest.raises(Refusal) as missing:
            client.jobs.get("no-such-job")
        assert (missing.value.status, missing.value.code) == (404, "not_found")


def test_keys_and_sessions_from_python(served: Served) -> None:
    """A team's keys and its sessions are kept by programs, and programs should not write URLs."""
    with Client(served.address, KEY) as client:
        key = client.keys.create("night", "planning", "step")
        with Client(served.address, key) as planner:
            session = planner.sessions.create(env=SYSTEM, seed=7)
            with closing(RemoteEnv(served.address, key=key, session_id=session.id)) as env:
                env.reset(seed=7)
            kept = planner.sessions.snapshot(session.id)
            assert planner.sessions.restore(session.id, kept.id).next_step_id == 2
            planner.sessions.delete(session.id)
            assert [each.state for each in planner.sessions.list()] == ["closed"]
            assert planner.sessions.get(session.id).code == "session_closed"
        made = next(each for each in client.keys.list() if each.owner == "planning")
        client.keys.revoke(made.id)
        assert next(each for each in client.keys.list() if each.id == made.id).revoked_at


def test_what_may_be_asked_twice_outlasts_a_restart(served: Served) -> None:
    """A deployment is no reason for a night's script to fail."""
    with Client(served.address, KEY) as client:
        served.kill()
        again = threading.Timer(1.0, served.start)
        again.start()
        assert SYSTEM in client.scenarios()
        again.join()
    served.kill()
    with Client(served.address, KEY, patience_seconds=0.5) as hasty:
        began = time.monotonic()
        with pytest.raises(NotReached):
            hasty.scenarios()
        assert time.monotonic() - began < 10
