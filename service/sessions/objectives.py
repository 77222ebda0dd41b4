"""What a session is to cost, as it is asked for: by the names of what costs, or a whole record."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, FiniteFloat, Tag, model_validator

from envs.objective import Sense, Span
from service.bodies import Strict

Name = Annotated[str, Field(max_length=200)]
Names = Annotated[list[Name], Field(max_length=1000)]
Weights = Annotated[list[FiniteFloat], Field(max_length=1000)]
Costs = Annotated[dict[Name, FiniteFloat], Field(max_length=1000)]
Price = Annotated[FiniteFloat, Field(ge=0)]


class TargetOrder(Strict):
    """A level that an output should be near, as `envs.objective.Target`."""

    output: Name
    level: FiniteFloat
    price: Price = Field(description="Of one squared unit")


class ConstraintOrder(Strict):
    """A limit on the share of two outputs, as `envs.objective.Constraint`."""

    name: Name
    numerator: Names
    denominator: Names
    limit: FiniteFloat
    price: Price = Field(description="Of one unit of excess")
    sense: Sense = "at_most"
    per: Span = "epoch"


class _Beside(Strict):
    targets: list[TargetOrder] = Field(default_factory=list, max_length=200)
    constraints: list[ConstraintOrder] = Field(default_factory=list, max_length=200)


class NamedCosts(_Beside):
    """Costs by name; what is not named costs nothing."""

    outputs: Costs = Field(default_factory=dict, description="Of one unit of each output")
    at_close: Costs = Field(default_factory=dict, description="Of what is left at the close")


class ObjectiveRecord(_Beside):
    """A record of `envs.Objective`, as its `to_record` makes it."""

    output_names: Names
    state_names: Names
    output_weights: Weights
    closing_weights: Weights

    @model_validator(mode="after")
    def _pairs(self) -> ObjectiveRecord:
        for what, weights, names in (
            ("output_weights", self.output_weights, self.output_names),
            ("closing_weights", self.closing_weights, self.state_names),
        ):
            if len(weights) != len(names):
                raise ValueError(f"{what}: {len(weights)} for {len(names)} names, give one each")
        return self


def _kind(told: Any) -> str:
    names = told if isinstance(told, dict) else getattr(told, "model_fields_set", ())
    return "record" if "output_names" in names else "costs"


ObjectiveOrder = Annotated[
    Annotated[NamedCosts, Tag("costs")] | Annotated[ObjectiveRecord, Tag("record")],
    Discriminator(_kind),
]
"""Either form, told apart by `output_names`."""
