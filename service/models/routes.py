"""/v1/models and /v1/policies: versions, aliases, and decisions."""

from __future__ import annotations

import shutil
from pathlib import Path as PathOf
from typing import Annotated, BinaryIO

from fastapi import APIRouter, File, Form, Header, Path, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session

from service.models import repository, schemas
from service.models.acting import Acting
from service.models.artefacts import Kind
from service.models.evidence import evidence_of
from service.models.operations import Models, no_alias
from service.models.repository import Move
from service.models.schemas import ALIAS, NAME
from service.models.tables import AliasRow
from service.paging import Cursor, Limit, Page, decode_cursor, paged
from service.problems import Problem
from service.security import Promoter, Reader, Stepper, Trainer
from surrogates.storage import MANIFEST, WEIGHTS

router = APIRouter(tags=["models"])

Name = Annotated[str, Path(pattern=NAME, examples=["bank-policy"])]
AliasName = Annotated[str, Path(pattern=ALIAS, examples=["champion"])]
Number = Annotated[int, Path(ge=1, le=99_999_999)]
IfMatch = Annotated[
    str | None, Header(max_length=40, description="The ETag of the alias as you saw it, or *")
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=40, description="* for an alias that is to be new")
]
_UPLOAD = {
    "kind": "policy",
    "system": "clinic",
    "manifest": f"@{MANIFEST}",
    "weights": f"@{WEIGHTS}",
}


@router.get("/models")
def list_models(
    request: Request, _: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Page[schemas.Model]:
    """All models, by name."""
    after = str(decode_cursor(cursor, str)[0]) if cursor else ""
    with request.app.state.platform.database.read() as session:
        names, following = paged(
            repository.names(session, after, limit + 1), limit, lambda name: (name,)
        )
        return Page(items=[_model(session, name) for name in names], next_cursor=following)


@router.get("/models/{name}")
def get_model(request: Request, name: Name, _: Reader) -> schemas.Model:
    """A model: its newest version and its aliases."""
    with request.app.state.platform.database.read() as session:
        return _model(session, name)


@router.post(
    "/models/{name}/versions",
    status_code=201,
    openapi_extra={"requestBody": {"content": {"multipart/form-data": {"example": _UPLOAD}}}},
)
def add_version(
    request: Request,
    response: Response,
    name: Name,
    principal: Trainer,
    kind: Annotated[Kind, Form()],
    system: Annotated[str, Form(max_length=130, examples=["bank"])],
    manifest: Annotated[UploadFile, File(description=MANIFEST)],
    weights: Annotated[UploadFile, File(description=WEIGHTS)],
) -> schemas.Version:
    """Add a version from its two files, which are checked as whoever uses them will.

    The same files under the same name are the same version.
    """
    models = _models(request)
    with models.incoming() as fresh:
        fresh.mkdir()
        for each, file in ((MANIFEST, manifest), (WEIGHTS, weights)):
            _write(fresh / each, file.file)
        kept = models.keep(
            name=name,
            kind=kind,
            system=system,
            fresh=fresh,
            owner=principal.owner,
            lineage={"uploaded_by": principal.owner},
        )
    response.headers["Location"] = f"/v1/models/{name}/versions/{kept.version}"
    return _told(request, name, kept.version)


@router.get("/models/{name}/versions")
def list_versions(
    request: Request, name: Name, _: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Page[schemas.Version]:
    """Versions of a model, the newest first."""
    before = int(decode_cursor(cursor, int)[0]) if cursor else None
    with request.app.state.platform.database.read() as session:
        rows, following = paged(
            repository.versions(session, name, before, limit + 1), limit, lambda row: (row.version,)
        )
    items = [schemas.Version.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, next_cursor=following)


@router.get("/models/{name}/versions/{version}")
def get_version(request: Request, name: Name, version: Number, _: Reader) -> schemas.Version:
    """One version and where it comes from."""
    return _told(request, name, version)


@router.get(
    "/models/{name}/versions/{version}/files/{file}",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def get_file(
    request: Request,
    name: Name,
    version: Number,
    file: Annotated[str, Path(pattern=r"^(manifest\.json|weights\.safetensors)$")],
    _: Reader,
) -> FileResponse:
    """A file of a version, as it was kept."""
    found = _models(request).resolve(f"{name}@{version}")
    return FileResponse(
        found.folder / file, media_type="application/octet-stream", filename=f"{name}-{file}"
    )


@router.get("/models/{name}/aliases/{alias}")
def get_alias(
    request: Request, response: Response, name: Name, alias: AliasName, _: Reader
) -> schemas.Alias:
    """What an alias stands for; the ETag is for If-Match."""
    with request.app.state.platform.database.read() as session:
        row = repository.alias_of(session, name, alias)
        if row is None:
            raise no_alias(session, name)
    return _tagged(response, row)


@router.put("/models/{name}/aliases/{alias}")
def put_alias(
    request: Request,
    response: Response,
    name: Name,
    alias: AliasName,
    order: schemas.AliasOrder,
    principal: Promoter,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> schemas.Alias:
    """Let an alias stand for a version, by hand: `promote` is the way with evidence.

    Send If-Match with the ETag that you saw, or If-None-Match: * for a new alias.
    """
    is_new = if_none_match == "*" and if_match is None
    if if_match is None and not is_new:
        raise Problem("precondition_required", "send If-Match with the ETag of the alias")
    wish = Move(version=order.version, actor=principal.actor, reason=order.reason)
    expected = None if if_match is None else _revision(if_match)
    row = _models(request).move(name, alias, wish, expected=expected, is_any=if_match == "*")
    return _tagged(response, row)


@router.post("/models/{name}/aliases/{alias}/rollback")
def roll_back(
    request: Request,
    response: Response,
    name: Name,
    alias: AliasName,
    order: schemas.RollBackOrder,
    principal: Promoter,
    if_match: IfMatch = None,
) -> schemas.RolledBack:
    """Let an alias stand for what it stood for before; once more goes further back.

    With If-Match it happens only to the alias as you saw it, and so at most once.
    """
    expected = None if if_match in (None, "*") else _revision(if_match)
    row, left = _models(request).roll_back(
        name, alias, principal.actor, order.reason, expected=expected
    )
    told = _tagged(response, row).model_dump()
    return schemas.RolledBack(**told, from_version=left, to_version=row.version)


@router.post("/models/{name}/promote")
def promote(
    request: Request,
    response: Response,
    name: Name,
    order: schemas.PromotionOrder,
    principal: Promoter,
) -> schemas.Alias:
    """Make a version champion if the gate of a job says so; no evidence counts against it."""
    database, evidence = request.app.state.platform.database, None
    if order.job is not None:
        with database.read() as session:
            evidence = evidence_of(session, order.job, principal.whose, name, order.version)
    wish = Move(version=order.version, actor=principal.actor, reason=order.reason)
    is_promoted, why = _models(request).promote(name, wish, evidence)
    if not is_promoted:
        raise Problem("promotion_refused", why)
    with database.read() as session:
        row = repository.alias_of(session, name, "champion")
    assert row is not None
    return _tagged(response, row)


@router.get("/models/{name}/history")
def list_history(
    request: Request,
    name: Name,
    _: Reader,
    alias: Annotated[str | None, Query(pattern=ALIAS)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.AliasMove]:
    """Every move of the aliases, and every refusal, the newest first."""
    before = int(decode_cursor(cursor, int)[0]) if cursor else None
    with request.app.state.platform.database.read() as session:
        found = repository.history(session, name, alias, before, limit + 1)
        rows, following = paged(found, limit, lambda row: (row.id,))
    items = [schemas.AliasMove.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, next_cursor=following)


@router.post("/policies/{reference}/act", tags=["policies"])
async def act(
    request: Request,
    reference: Annotated[
        str, Path(pattern=r"^[a-z0-9._-]{1,64}@[a-z0-9_-]{1,32}$", examples=["bank@champion"])
    ],
    question: schemas.Question,
    _: Stepper,
) -> schemas.Answer:
    """Decide a batch of observations by `name@alias` or `name@version`."""
    acting: Acting = request.app.state.acting
    return await acting.answer(reference, question)


def _models(request: Request) -> Models:
    models: Models = request.app.state.models
    return models


def _model(session: Session, name: str) -> schemas.Model:
    newest = repository.versions(session, name, None, 1)
    if not newest:
        raise Problem("not_found", "no model of that name")
    aliases = repository.aliases_of(session, name)
    return schemas.Model(
        name=name,
        latest=schemas.Version.model_validate(newest[0], from_attributes=True),
        aliases=[schemas.Alias.model_validate(row, from_attributes=True) for row in aliases],
    )


def _told(request: Request, name: str, version: int) -> schemas.Version:
    with request.app.state.platform.database.read() as session:
        row = repository.version_of(session, name, version)
    return schemas.Version.model_validate(row, from_attributes=True)


def _tagged(response: Response, row: AliasRow) -> schemas.Alias:
    response.headers["ETag"] = f'"{row.revision}"'
    return schemas.Alias.model_validate(row, from_attributes=True)


def _revision(tag: str) -> int:
    number = tag.strip().removeprefix("W/").strip('"')
    # Anything that was never given out matches no alias.
    return int(number) if number.isdecimal() and len(number) < 10 else -1


def _write(path: PathOf, source: BinaryIO) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)
