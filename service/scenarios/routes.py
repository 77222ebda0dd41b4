"""/v1/scenarios: which systems there are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from service.paging import Page
from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from service.scenarios.schemas import Scenario, ScenarioName
from service.security import Reader
from sim.errors import InvalidSystem

router = APIRouter(prefix="/scenarios", tags=["scenarios"])


@router.get("")
def list_scenarios(request: Request, _: Reader) -> Page[ScenarioName]:
    """The systems that sessions, jobs and monitors may be about."""
    return Page(items=[ScenarioName(name=name) for name in _catalogue(request).names()])


@router.get("/{name}")
def get_scenario(
    request: Request,
    name: Annotated[str, Path(max_length=130, examples=["bank", "tandem:blocking"])],
    _: Reader,
) -> Scenario:
    """One system explained: states, outputs, levers, parameters and costs, with units."""
    try:
        known = _catalogue(request).find(name)
    except InvalidSystem as error:
        raise Problem("not_found", str(error)) from error
    return Scenario.model_validate(known.explanation)


def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue
