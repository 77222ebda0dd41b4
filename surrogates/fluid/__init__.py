"""The analytic model of means, and the surrogate that adds chance to it."""

from surrogates.fluid.model import FluidModel
from surrogates.fluid.surrogate import FluidSurrogate, fit_fluid, obstacle_to_fluid

__all__ = ["FluidModel", "FluidSurrogate", "fit_fluid", "obstacle_to_fluid"]
