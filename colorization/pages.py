"""The HTML pages, from the templates beside this file."""

from __future__ import annotations

import os
from pathlib import Path

import jinja2

from colorization.files import write_text


def write_page(target: str | os.PathLike, template: str, **values: object) -> None:
    """Write an HTML page from a template; a value that it wants and does not get is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**values)
    write_text(target, text + "\n")
