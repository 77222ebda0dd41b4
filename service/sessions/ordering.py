"""From what somebody asks for to a spec, with everything settled that could change later."""

from __future__ import annotations

import secrets

from service.problems import Problem
from service.sessions.operations import Sessions
from service.sessions.schemas import SessionOrder
from service.sessions.sources import find_world
from service.sessions.spec import SessionSpec
from service.sessions.worlds import file_digest


def spec_of(sessions: Sessions, order: SessionOrder) -> SessionSpec:
    """What is to be played; raises Problem for what there is not. Asked in a thread."""
    settings = sessions.settings
    world = find_world(order.world, sessions.sources)
    most = settings.most_envs if world.kind == "surrogate" else settings.most_simulators
    if (order.num_envs or 1) > most:
        raise Problem("refused_input", f"num_envs {order.num_envs}: at most {most} in this world")
    reference = sessions.catalogue.reference(order.env)
    given = order.model_dump(exclude={"world", "seed", "idle_seconds"})
    return SessionSpec(
        **given,
        reference=reference,
        file_digest=file_digest(reference),
        world=world,
        seed=secrets.randbelow(2**31) if order.seed is None else order.seed,
    )
