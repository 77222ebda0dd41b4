"""One agent and any service time: first come, first served, or shared between all present."""

from __future__ import annotations

from sim.analytic.stability import refuse_if_negative, refuse_overload, refuse_unless_positive


def pollaczek_khinchine(arrival_rate: float, mean_service: float, scv: float) -> float:
    """Mean minutes before service with one agent and any service time (M/G/1).

    `scv` is the squared coefficient of variation of the service time. Raises UnstableSystem when
    the agent cannot keep up.
    """
    refuse_unless_positive(arrival_rate=arrival_rate, mean_service=mean_service)
    refuse_if_negative(scv=scv)
    load = arrival_rate * mean_service
    refuse_overload(load)
    return load * mean_service * (1.0 + scv) / (2.0 * (1.0 - load))


def processor_sharing_sojourn(
    arrival_rate: float, mean_service: float, service: float | None = None
) -> float:
    """Mean minutes in system when one agent serves all present at once (M/G/1-PS).

    For a customer of a known `service` in minutes, or over all customers without one. Only the
    mean service matters, not its shape (Kleinrock 1976). Raises UnstableSystem when the agent
    cannot keep up.
    """
    refuse_unless_positive(arrival_rate=arrival_rate, mean_service=mean_service)
    own = mean_service if service is None else service
    refuse_if_negative(service=own)
    load = arrival_rate * mean_service
    refuse_overload(load)
    return own / (1.0 - load)
