"""Many runs of one function over a grid of settings: in this process, on its cores, or on a Dask cluster.

    results = sweep.run(function, sweep.grid(n=[2, 10], scale=[0.1, 1.0], seed=range(100)), folder="_build/sweep")

``function(**settings)`` returns a mapping from names to numbers or arrays. With ``folder``, each result is written there as
soon as it is known, under a key of the settings and of the sources: a sweep that was interrupted, or that lost a worker,
goes on with what is missing, and gives the same bits.
"""

import hashlib
import inspect
import io
import itertools
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import as_completed as completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ncpaper import extras, results, validate

#: How long a cluster may take to answer.
PATIENCE = "10s"


def grid(**axes):
    """Every combination of the values of the axes, as a list of settings; the last axis changes fastest.

    Raises
    ------
    ValueError
        Naming an axis that is not a collection of values, or has none.

    Source
    ------
    The product of sets.

    Examples
    --------
    >>> grid(n=[2, 10], seed=range(2))
    [{'n': 2, 'seed': 0}, {'n': 2, 'seed': 1}, {'n': 10, 'seed': 0}, {'n': 10, 'seed': 1}]
    """
    found = {name: [] if isinstance(v, str) or not isinstance(v, Iterable) else list(v) for name, v in axes.items()}
    for name, values in found.items():
        if not values:
            raise ValueError(f"{name}: expected a collection of values, one at least, got {axes[name]!r}")
    return [dict(zip(found, values, strict=True)) for values in itertools.product(*found.values())]


@cache
def sources():
    """The SHA-256 of the sources of the package: with other formulas a result is another one."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256("".join(map(results.sha256, files)).encode()).hexdigest()


def key(function, settings):
    """The name under which a result is kept: a digest of the function, its settings and the sources.

    The function enters by its name and its text; values that it reads from elsewhere do not enter.

    Raises
    ------
    ValueError
        Naming ``settings`` where a value is not a number, a text, True, False, None, or a list of these.

    Source
    ------
    This module.
    """
    try:
        told = json.dumps(settings, sort_keys=True, allow_nan=False, default=lambda value: value.item())
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"settings: expected numbers, texts or lists of them, got {settings!r}") from error
    try:
        body = inspect.getsource(function)
    except (OSError, TypeError):
        body = ""
    parts = (getattr(function, "__module__", ""), getattr(function, "__qualname__", repr(function)), body)
    return hashlib.sha256("\0".join([*parts, sources(), told]).encode()).hexdigest()


def _store(path, result):
    """Write a result at once, as ``.npz``; the names begin with a letter that keeps them apart from NumPy's own."""
    content = io.BytesIO()
    np.savez_compressed(content, **{f"r{name}": value for name, value in result.items()})
    results.write(path, content.getvalue())


def _stored(path):
    """The result in a file, or None where there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name[1:]: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return None


def _call(function, settings):
    """The result for one element of a sweep, as a mapping from names to arrays."""
    found = function(**settings)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise TypeError(f"function: expected a mapping from names to numbers or arrays, got {type(found).__name__}")
    return {name: validate.array(f"function, result {name}", value, "biufcSU") for name, value in found.items()}


def _of_a_module(function):
    """Whether a function is what its module has under its name; a lambda, a closure and a bound method are not."""
    found = sys.modules.get(getattr(function, "__module__", None))
    for name in getattr(function, "__qualname__", "<none>").split("."):
        found = getattr(found, name, None)
    return found is not None and found is function


def _here(function, missing):
    """Results one after another, in this process."""
    for place, settings in missing.items():
        yield place, _call(function, settings)


def _on_cores(function, missing, workers):
    """Results of worker processes of this machine, as they come."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_call, function, settings): place for place, settings in missing.items()}
        try:
            for future in completed(waiting):
                yield waiting[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _on_cluster(function, missing, address):
    """Results of a Dask cluster, as they come; what a lost worker had is given to another one."""
    with extras.extra("cluster"):
        from distributed import Client, as_completed
    with Client(address, timeout=PATIENCE) as client:
        waiting = {
            client.submit(_call, function, settings, pure=False, retries=2): place
            for place, settings in missing.items()
        }
        for future in as_completed(list(waiting)):
            yield waiting[future], future.result()
            future.release()


def run(
    function: Callable,
    settings: list[dict],
    folder=None,
    workers: int = 1,
    cluster: str | None = None,
    bar: bool = True,
) -> list[dict]:
    """``function(**s)`` for each ``s`` of ``settings``, as a list of mappings from names to arrays, in their order.

    ``folder`` keeps what is known; ``workers`` is the number of processes, 1 for this one alone; ``cluster`` is the
    address of a Dask scheduler, whose workers need this package. With a ``folder`` or more than one process the function
    must be one of a module: another one has no name to be kept or imported under. A bar shows the progress.

    Raises
    ------
    ValueError
        Naming ``function``, ``settings`` or ``workers`` where they are not as described.
    RuntimeError
        Where a worker died, with what is done; started again, the sweep goes on if it has a ``folder``.

    Source
    ------
    This module; what the function raises is passed on.

    Examples
    --------
    >>> [float(r["square"]) for r in run(lambda x: {"square": x**2}, grid(x=[1, 2, 3]), bar=False)]
    [1.0, 4.0, 9.0]
    """
    workers = validate.integer("workers", workers, 1)
    if not isinstance(settings, (list, tuple)) or not all(isinstance(s, dict) for s in settings):
        raise ValueError(f"settings: expected a list of mappings, as grid gives it, got {type(settings).__name__}")
    if (folder or workers > 1) and not _of_a_module(function):
        raise ValueError(f"function: expected one of a module, with a folder or several processes, got {function!r}")
    files = [Path(folder or ".", f"{key(function, s)}.npz") for s in settings]
    done = {i: found for i, file in enumerate(files) if folder and (found := _stored(file)) is not None}
    missing = {i: s for i, s in enumerate(settings) if i not in done}
    if cluster:
        found = _on_cluster(function, missing, cluster)
    else:
        found = _on_cores(function, missing, workers) if workers > 1 else _here(function, missing)
    try:
        for place, result in tqdm(found, initial=len(done), total=len(settings), disable=not bar, unit="run"):
            done[place] = result
            if folder:
                _store(files[place], result)
    except BrokenProcessPool as error:
        kept = f"what is done is in {folder}, start again to go on" if folder else "give a folder to keep what is done"
        raise RuntimeError(f"a worker died after {len(done)} of {len(settings)} runs; {kept}") from error
    return [done[i] for i in range(len(settings))]
