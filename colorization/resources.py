"""Where the shared resources are: the ab pairs and the priors of the training sets."""

from __future__ import annotations

import os
from pathlib import Path


def project_folder(name: str) -> Path:
    """Return a folder of the project: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name


def shared_resources() -> Path:
    """Return the folder of the shared resources."""
    return project_folder("shared_resources")


def resource(name: str | os.PathLike) -> Path:
    """Return the path of a resource.

    A relative `name` is looked for in the working directory first, as Caffe does with the files
    named in a prototxt, then in the shared resources.
    """
    candidates = [Path(name), shared_resources() / name]
    for path in candidates:
        if path.is_file():
            return path
    places = " or ".join(str(path.parent) for path in dict.fromkeys(candidates))
    raise FileNotFoundError(f'resource "{name}" is not in {places}')
