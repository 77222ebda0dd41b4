"""Systems over HTTP."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Quantity(BaseModel):
    """A number with a name and a unit."""

    name: str
    unit: str


class Lever(BaseModel):
    """One thing to decide in each epoch."""

    name: str
    decides: str
    levels: list[float]
    positions: list[str] = Field(description="What the levels stand for, where they are positions")


class Parameter(BaseModel):
    """One of the system's parameters, and the box that it may be asked for in."""

    name: str
    unit: str
    low: float
    high: float
    nominal: float


class CostRates(BaseModel):
    """Money for each unit of an output, and for what is left at the close."""

    unit: str
    outputs: dict[str, float]
    at_close: dict[str, float]


class Scenario(BaseModel):
    """A system explained."""

    name: str
    summary: str
    variants: list[str]
    epochs: int = Field(description="Decision epochs of an episode")
    minutes: list[float] | None = Field(description="Lengths of epochs; null where events end them")
    states: list[Quantity]
    outputs: list[Quantity]
    levers: list[Lever]
    parameters: list[Parameter]
    costs: CostRates
    drift: dict[str, str]


class ScenarioName(BaseModel):
    """A system by name."""

    name: str
