"""The command that prints the published JSON Schemas."""

from __future__ import annotations

import click


@click.command()
@click.argument("document", type=click.Choice(["config", "lock", "report"]))
def schema(document: str) -> None:
    """Print the JSON Schema of goldlock.toml, goldlock.lock or the JSON report.

    Editors that know TOML use it where the file's first line is `#:schema ./goldlock.schema.json`.

    \b
    Example:
      goldlock schema config > goldlock.schema.json
    """
    from goldlock import schemas

    click.echo(schemas.published(schemas.Document(document)), nl=False)
