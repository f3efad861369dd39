"""What an installation may lack: packages that an extra brings, and the data that travel with the package."""

from contextlib import contextmanager
from pathlib import Path

#: The package, and the checkout around it where it is not installed.
PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent


@contextmanager
def extra(name):
    """Say which extra brings a package that an import of the block does not find.

    Raises
    ------
    ImportError
        Naming the missing package, the extra ``name`` and the command that installs it.

    Examples
    --------
    >>> with extra("train"):
    ...     import no_such_package
    Traceback (most recent call last):
    ImportError: no_such_package is not installed; it belongs to the extra 'train': pip install 'ncpaper[train]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        said = f"{error.name} is not installed; it belongs to the extra {name!r}: pip install 'ncpaper[{name}]'"
        raise ImportError(said, name=error.name) from error


def located(path):
    """Where a file or folder of the repository lies: in the installed package, or in the checkout around it.

    ``path`` is its place in the repository. ``pyproject.toml`` maps that place into the wheel, under the same name.
    """
    inside = PACKAGE / path
    return inside if inside.exists() else CHECKOUT / path


def present(path):
    """A path that is there. Raises ``FileNotFoundError`` naming it, and how to get what travels with the package."""
    path = Path(path)
    if path.exists():
        return path
    travels = any(path.is_relative_to(place / name) for place in (PACKAGE, CHECKOUT) for name in ("book", "figures"))
    help_ = "; ledger and recorded runs lie in the repository, and pip install . there installs them with the package"
    raise FileNotFoundError(f"{path}: not found{help_ * travels}")
