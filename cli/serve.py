"""`surrogym serve` and `surrogym keys`: the service, and who may use it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the service; SURROGYM_DATA, or surrogym-data, by default."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="postgresql://...; SURROGYM_DATABASE_URL, or SQLite, by default."),
]

keys = typer.Typer(help="Keys of the service.", no_args_is_help=True)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to serve on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on; 0 for a free one.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve environments, training jobs and monitors over HTTP; SURROGYM_... sets the rest."""
    from service.serving import read_settings, serve

    serve(read_settings(host=host, port=port, data=data, database_url=database_url))


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for.")],
    owner: Annotated[str, typer.Option(help="Whose things it sees.")] = "operator",
    scope: Annotated[
        list[str] | None, typer.Option(help="read, step, train, promote or admin; again for more.")
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key and print it, this once."""
    from service.administration import create_key
    from service.serving import read_settings

    settings = read_settings(data=data, database_url=database_url)
    print(create_key(settings, name, owner, scope or ["admin"]))


@keys.command(name="list")
def list_(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """List the keys that were made, without their secrets."""
    from service.administration import list_keys
    from service.serving import read_settings

    for line in list_keys(read_settings(data=data, database_url=database_url)):
        print(line)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Twelve characters, as listed.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key worthless."""
    from service.administration import revoke_key
    from service.serving import read_settings

    revoke_key(read_settings(data=data, database_url=database_url), key_id)
