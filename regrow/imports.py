"""Import what a project file names: its own Python hooks, and estimators by their path."""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from regrow.errors import ProjectError


def import_hook(project_path: Path, reference: str) -> Any:
    """Import *reference* (`module:attribute`) from the folder of *project_path*.

    Raises `ProjectError` where the module or the attribute is missing, or the module fails while it is imported.
    """
    module_name, _, attribute = reference.partition(":")
    file = project_path.parent / (module_name.replace(".", "/") + ".py")
    if not file.is_file():
        raise ProjectError(
            f"{project_path}: {reference}: no file {file}; a hook's module sits beside its project file"
        )
    unique = f"regrow_hook_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(unique, file)
    if spec is None or spec.loader is None:
        raise ProjectError(f"{project_path}: {reference}: {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, AttributeError) as error:
        raise ProjectError(f"{project_path}: {reference}: {file} fails at import: {error}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise ProjectError(f"{project_path}: {reference}: {file} defines no `{attribute}`") from error


def import_class(path: str, key: str) -> type:
    """Import the class at the dotted *path* that the project file names under *key*."""
    module_name, _, attribute = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        remedy = "check the path, or install it"
        raise ProjectError(f"{key}: {path}: no module `{module_name}` ({error}); {remedy}") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        near = [name for name in dir(module) if name.lower() == attribute.lower()]
        hint = f"; did you mean {module_name}.{near[0]}?" if near else ""
        raise ProjectError(f"{key}: {path}: `{module_name}` has no class `{attribute}`{hint}")
    return found
