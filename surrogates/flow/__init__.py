"""The flow surrogate: customers conserved exactly, by a law that fits how epochs end."""

from surrogates.flow.settings import FlowSettings
from surrogates.flow.surrogate import FlowSurrogate, fit_flow, obstacle_to_flow

__all__ = ["FlowSettings", "FlowSurrogate", "fit_flow", "obstacle_to_flow"]
