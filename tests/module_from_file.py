"""Scripts and other files outside of packages, as modules."""

import importlib.util
from pathlib import Path
from types import ModuleType


def load_module(path: str | Path) -> ModuleType:
    """Run a file and return its module, which nobody else has and no later import finds."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
