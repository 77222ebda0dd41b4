"""Clauses on what a description claims of every state: what is feasible, and who went where."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from sim.contract.check import Verdict, fails, first_fault, holds, skipped
from sim.contract.run import Run, attempt
from sim.contract.trial import Trial
from sim.description import SystemDescription


def feasible(trial: Trial) -> Verdict:
    """In every state at least one decision is feasible, and one of those leaves nobody idle."""
    states = np.array([state for run in trial.episodes for state in run.states])
    masks: dict[str, Any] = {}
    for name in ("feasible", "non_idling"):
        mask, raised = attempt(partial(getattr(trial.description, name), states))
        shape = (len(states), len(trial.description.decisions))
        fault = f"{name}() raised {raised}" if raised else _mask_fault(mask, name, shape)
        if fault:
            return fails(fault)
        masks[name] = mask
    beyond = masks["non_idling"] & ~masks["feasible"]
    if beyond.any():
        decision = trial.description.decisions[int(beyond.any(axis=0).argmax())]
        return fails(f"non_idling allows {decision.tolist()} where feasible does not")
    return holds(f"{masks['feasible'].mean():.0%} of the decisions on average")


def _mask_fault(mask: Any, name: str, shape: tuple[int, int]) -> str | None:
    if not isinstance(mask, np.ndarray) or mask.shape != shape or mask.dtype != bool:
        found = f"shape {mask.shape}, {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask)
        return f"{name}() gave {found}: a row of booleans for each state, shape {shape}, bool"
    if not mask.any(axis=1).all():
        row = int((~mask.any(axis=1)).argmax())
        return f"{name}() allows nothing in state {row + 1} of those seen"
    return None


def flow_balance(trial: Trial) -> Verdict:
    """Every stock is what it was, plus those who came, less those who went."""
    if not isinstance(trial.description, SystemDescription):
        return skipped("it declares no stocks and flows")
    return first_fault(_imbalance(run, trial.description) for run in trial.episodes)


def _imbalance(run: Run, description: SystemDescription) -> str | None:
    flows = np.array(run.outputs)[:, : len(description.flows)]
    for position, stock in enumerate(description.stocks):
        signs = [
            float(flow.target == stock.name) - float(flow.source == stock.name)
            for flow in description.flows
        ]
        held = np.array(run.states)[:, position]
        wrong = np.diff(held) != flows @ np.array(signs)
        if wrong.any():
            epoch = int(wrong.argmax())
            expected = held[epoch] + flows[epoch] @ np.array(signs)
            return (
                f"seed {run.seed}, epoch {epoch + 1}: {stock.name!r} is {held[epoch + 1]:g}, and "
                f"{expected:g} by what it was and its flows"
            )
    return None
