"""A release: the same bytes twice, checksums that hold, the revision of every file, and a description that is valid."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import rocrate
import urllib3
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator import models, services

import ncpaper
from ncpaper import provenance

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = "https://w3id.org/ro/crate/1.3/context"
NAME = f"ncpaper-{ncpaper.__version__}"


def released(folder, tree=ROOT):
    """The folder of a release, made by the tool that ``make release`` calls."""
    tools = tree / "book" / "_tools"
    command = [sys.executable, "-I", tools / "clean.py", tools / "release.py", folder]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return released(tmp_path_factory.mktemp("release") / "release")


@pytest.fixture(scope="module")
def without_git(release, tmp_path_factory):
    """A release made from the unpacked archive of the sources, in a folder without git."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(release / f"{NAME}.zip") as archive:
        archive.extractall(folder)
    return released(folder / "release", folder / NAME)


def files(folder):
    """The SHA-256 of every file under a folder, by its path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf8"))


def site(release):
    """The files of the rendered book in a release, by path."""
    with zipfile.ZipFile(release / f"{NAME}-site.zip") as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def test_a_second_release_has_the_same_bytes(release, tmp_path):
    assert files(released(tmp_path / "again")) == files(release)


def test_the_checksums_are_those_of_every_other_file(release):
    lines = (release / "SHA256SUMS").read_text(encoding="utf8").splitlines()
    found = dict(reversed(line.split("  ", 1)) for line in lines)
    assert found == {path: digest for path, digest in files(release).items() if path != "SHA256SUMS"}
    assert f"{NAME}.zip" in found
    assert f"{NAME}-site.zip" in found


def test_the_manifest_names_the_revision_and_every_file_also_in_the_archives(release):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    found = manifest(release)
    assert found["revision"] == (head or "unknown")
    places = {path: digest for digest, paths in found["files"].items() for path in paths}
    late = {"manifest.json", "ro-crate-metadata.json", "SHA256SUMS"}  # written after it
    assert {p: d for p, d in files(release).items() if p not in late}.items() <= places.items()
    pages = {
        f"site/{p}": hashlib.sha256(c).hexdigest()
        for p, c in site(release).items()
        if p not in ("SOURCES", "manifest.json")
    }
    assert pages.items() <= places.items()
    assert places["source/pyproject.toml"] == hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()


def test_the_rendered_book_of_a_release_names_the_same_revision(release):
    assert json.loads(site(release)["manifest.json"])["revision"] == manifest(release)["revision"]


def test_a_released_figure_is_the_committed_one_under_its_name(release):
    pages = site(release)
    for entry in json.loads((ROOT / "figures" / "manifest.json").read_text(encoding="utf8"))["figures"]:
        for file, digest in entry["sha256"].items():
            assert hashlib.sha256((release / "figures" / file).read_bytes()).hexdigest() == digest
            assert hashlib.sha256(pages[f"figures/{file}"]).hexdigest() == digest


def test_without_git_the_revision_is_unknown_and_all_else_is_the_same(release, without_git):
    assert manifest(without_git)["revision"] == "unknown"
    differ = {f"{NAME}-site.zip", "manifest.json", "ro-crate-metadata.json", "SHA256SUMS"}  # they name the revision
    one, other = files(release), files(without_git)
    assert set(one) == set(other)
    assert {path for path in one if one[path] != other[path]} == differ
    pages, bare = site(release), site(without_git)
    assert {path for path in pages if pages[path] != bare[path]} == {"SOURCES", "manifest.json"}


class Stored(HTTPAdapter):
    """Answers with the context of the RO-Crate that the package ``rocrate`` brings, in the place of the network."""

    def send(self, request, **_):
        content = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
        assert json.loads(content)["@id"] == request.url == CONTEXT
        headers = {"Content-Type": "application/ld+json"}
        answer = urllib3.HTTPResponse(io.BytesIO(content), headers=headers, status=200, preload_content=False)
        return self.build_response(request, answer)


@pytest.fixture
def cache(tmp_path):
    """A cache of the validator that holds the context, so that it needs no network."""
    with CachedSession(cache_name=str(tmp_path / "cache"), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Stored())
        session.get(CONTEXT)
    return tmp_path / "cache"


def complaints(folder, cache):
    """What the validator of RO-Crates finds, each with its severity, down to what is recommended."""
    settings = services.ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier="ro-crate-1.3",
        requirement_severity=models.Severity.RECOMMENDED,
        offline=True,
        cache_path=cache,
    )
    return {(issue.severity.name, issue.message) for issue in services.validate(settings).get_issues()}


#: What is recommended and would have to be invented: persons behind the developers, their address and identifier.
NOT_INVENTED = {
    "Data Entity `author` SHOULD reference a Person entity",
    "The organization SHOULD have a URL.",
    "An Organization entity SHOULD have a ROR identifier as its @id (e.g., https://ror.org/03f0f6041)",
    "An Organization's contactPoint SHOULD reference a ContactPoint contextual entity",
    "At least one author or publisher Person/Organization SHOULD have a contactPoint property",
}


def test_the_crate_is_valid_and_keeps_what_is_recommended_but_for_what_would_be_invented(release, cache):
    found = complaints(release, cache)
    assert {severity for severity, _ in found} == {"RECOMMENDED"}
    assert {message for _, message in found} == NOT_INVENTED


def test_the_validator_sees_a_crate_without_a_licence(release, cache, tmp_path):
    crate = json.loads((release / "ro-crate-metadata.json").read_text(encoding="utf8"))
    kept = [entity for entity in crate["@graph"] if entity["@type"] != "File"]
    [whole] = [entity for entity in kept if entity["@id"] == "./"]
    del whole["license"], whole["hasPart"]
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps(crate | {"@graph": kept}), encoding="utf8")
    required = [message for severity, message in complaints(tmp_path, cache) if severity == "REQUIRED"]
    assert any("license" in message for message in required)


def test_the_crate_describes_every_file_with_licence_size_and_hash(release):
    graph = json.loads((release / "ro-crate-metadata.json").read_text(encoding="utf8"))["@graph"]
    described = {entity["@id"].replace("%3D", "="): entity for entity in graph if entity["@type"] == "File"}
    there = files(release)
    assert set(described) == set(there) - {"ro-crate-metadata.json", "SHA256SUMS"}
    for path, entity in described.items():
        assert entity["sha256"] == there[path]
        assert entity["contentSize"] == str((release / path).stat().st_size)
        assert entity["license"]["@id"].startswith("https://")
        assert entity["encodingFormat"]
    figure = described["figures/collapse-path.svg"]
    assert figure["isPartOf"]["@id"] == "chapters/geometry.ipynb"
    assert figure["license"]["@id"] == provenance.LICENCE_ADDRESS
