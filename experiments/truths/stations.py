"""The systems of one station on which most closed forms stand."""

from __future__ import annotations

from sim.arrivals import Arrivals, PoissonArrivals
from sim.customers import CustomerClass, QueueOrder
from sim.distributions import Distribution, Exponential
from sim.routing import Room
from sim.servers import Breakdown, Pool, Preemption, ServerTeam
from sim.system import System


def station(
    *,
    arrivals: Arrivals | float,
    service: Distribution | float,
    servers: int | tuple[tuple[float, float], ...],
    patience: float | None = None,
    places: int | None = None,
    order: QueueOrder = "first_come",
    is_shared: bool = False,
    preemption: Preemption | None = None,
    breakdown: Breakdown | None = None,
    is_event_driven: bool = False,
) -> System:
    """Customers of class `call`, served by the team `agents`.

    A number in place of arrivals is a Poisson rate, in place of a distribution the mean of an
    exponential one.
    """
    shifts = servers if isinstance(servers, tuple) else ((0.0, float(servers)),)
    return System(
        name="station",
        arrivals={
            "call": PoissonArrivals(rate=arrivals) if isinstance(arrivals, float) else arrivals
        },
        classes=(
            CustomerClass(
                name="call",
                service=Exponential(mean=service) if isinstance(service, float) else service,
                patience=None if patience is None else Exponential(mean=patience),
                order=order,
            ),
        ),
        pools=(
            Pool(
                name="staff",
                shifts=shifts,
                is_shared=is_shared,
                preemption=preemption,
                breakdown=breakdown,
            ),
        ),
        teams=(ServerTeam(name="agents", pool="staff", serves="call"),),
        rooms=() if places is None else (Room(name="room", places=places, classes=("call",)),),
        boundaries=() if is_event_driven else (0.0, 1.0),
        events=1 if is_event_driven else 0,
        measures=("wait", "present", "busy"),
    )
