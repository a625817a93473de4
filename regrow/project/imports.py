"""Import and call what a project file names: its own Python hooks, and estimators by their path."""

import hashlib
import importlib
import importlib.abc
import importlib.util
import inspect
import re
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from regrow.base.errors import ProjectError, RegrowError

OURS = Path(__file__).parents[2]
STORED_CODE = re.compile(r"^regrow_code_[0-9a-f]{16}_")
"""How the file name of code begins that is stored with a model; its own name follows."""
LOADING = threading.RLock()
LIBRARIES = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))


def import_hook(project_path: Path, reference: str, key: str = "") -> Any:
    """Import *reference* (`module:attribute`), which stands under *key*, from the folder of *project_path*.

    Raises `ProjectError` if the module or the attribute is missing, or the module raises or exits when imported.
    """
    file, where = _find_file(project_path, reference, key)
    unique = f"regrow_hook_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(unique, file)
    if spec is None or spec.loader is None:
        raise ProjectError(f"{where}: {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    with naming_origin(ProjectError, f"{where}: {file} fails at import", file.parent):
        spec.loader.exec_module(module)
    return _find_attribute(module, reference, f"{where}: {file}")


def hook_file(project_path: Path, reference: str) -> Path:
    """Return the file that *reference* (`module:attribute`) names beside *project_path*."""
    return project_path.parent / (reference.partition(":")[0].replace(".", "/") + ".py")


def find_class(path: str, key: str, project_path: Path) -> type:
    """Import the class at *path*, which stands under *key*: in a package, or beside *project_path*.

    Raises `ProjectError` if there is no such class, or its module raises or exits when imported.
    """
    if ":" not in path:
        return import_class(path, key)
    found = import_code(project_path, path, key)
    if not isinstance(found, type):
        raise ProjectError(f"{project_path}: {key}: {path} is no class")
    return found


def import_code(project_path: Path, reference: str, key: str = "") -> Any:
    """Import *reference* (`module:attribute`), which stands under *key*, as code that a model is stored with.

    Raises `ProjectError` if the module or the attribute is missing, or the module raises or exits when imported.
    """
    file, where = _find_file(project_path, reference, key)
    with naming_origin(ProjectError, f"{where}: {file} fails at import", file.parent):
        module = load_code(file)
    return _find_attribute(module, reference, f"{where}: {file}")


def _find_file(project_path: Path, reference: str, key: str) -> tuple[Path, str]:
    """Return the file that *reference* names, and how errors name it; raise `ProjectError` if there is no such file."""
    file = hook_file(project_path, reference)
    where = f"{project_path}: {key + ': ' if key else ''}{reference}"
    if not file.is_file():
        raise ProjectError(f"{where}: no file {file}; a hook's module sits beside its project file")
    return file, where


def _find_attribute(module: ModuleType, reference: str, where: str) -> Any:
    """Return what *reference* names in *module*; raise `ProjectError` if it defines no such thing."""
    attribute = reference.partition(":")[2]
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise ProjectError(f"{where} defines no `{attribute}`") from error


def code_name(file: Path) -> str:
    """Return the name of the module that *file* is loaded as: it follows from its own name and its content."""
    stem = STORED_CODE.sub("", file.stem)
    return f"regrow_code_{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}_{stem}"


def load_code(file: Path) -> ModuleType:
    """Load *file* as the module `code_name`, once: two contents of one file never mix in a process.

    Whatever the file raises is passed on. Its classes reach processes that a fit starts by value.
    """
    import cloudpickle

    name = code_name(file)
    with LOADING:
        if name in sys.modules:
            return sys.modules[name]
        loader = _Source(file)
        module = importlib.util.module_from_spec(
            cast("ModuleSpec", importlib.util.spec_from_loader(name, loader))
        )
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    cloudpickle.register_pickle_by_value(module)
    return module


class _Source(importlib.abc.ExecutionLoader):
    """Loads a file from its text alone: Python's cache takes a change within a second, of equal length, for none."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def get_filename(self, fullname: str) -> str:
        """Return the path of the file."""
        return str(self.file)

    def get_source(self, fullname: str) -> str:
        """Read the file."""
        return importlib.util.decode_source(self.file.read_bytes())


def import_class(path: str, key: str) -> type:
    """Import the class at the dotted *path* that the project file names under *key*.

    Raises `ProjectError` if there is no such class, or its module raises or exits when imported.
    """
    module_name, _, attribute = path.rpartition(".")
    with naming_origin(ProjectError, f"{key}: {path}: `{module_name}` fails at import"):
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


def check_callable(found: Any, where: str, *arguments: str) -> None:
    """Raise `ProjectError` naming *where* if *found* cannot be called with *arguments*; it is not called."""
    if not callable(found):
        raise ProjectError(f"{where} is no function; name one")
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # A function of C without a signature: only the call can tell.
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise ProjectError(
            f"{where} takes {signature}, and is called with ({', '.join(arguments)})"
        ) from error


@contextmanager
def naming_origin(raised: type[RegrowError], where: str, folder: Path | None = None) -> Iterator[None]:
    """Turn whatever the user's code raises inside into *raised*: *where*, the exception, its file and line.

    The line is the last one in *folder*, or the last one outside of Regrow and of installed packages. An error that
    Regrow raises on purpose passes unchanged.
    """
    try:
        yield
    except RegrowError:
        raise
    except (Exception, SystemExit) as error:
        raise raised(f"{where}: {describe_error(error, folder)}") from error


def describe_error(error: BaseException, folder: Path | None = None) -> str:
    """Return *error* in one line: its type, what it says, and the line of the user's code that raised it."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename).name}, line {error.lineno})"
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    users = [place for place in places if _is_users(place[0])]
    own = [place for place in users if folder and place[0].is_relative_to(folder)]
    line = next(reversed(own or users), None)
    return f"{said} ({line[0].name}, line {line[1]})" if line else said


def _is_users(file: Path) -> bool:
    """Return whether *file* is neither part of Regrow nor of an installed package."""
    known = (OURS / "regrow", OURS / "tasks", OURS / "flows", *LIBRARIES)
    return file.is_file() and not any(file.is_relative_to(folder) for folder in known)
