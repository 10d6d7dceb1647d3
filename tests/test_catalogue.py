import json
from pathlib import Path

import pytest

import redis_lab
from redis_lab.course import catalogue
from redis_lab.course.catalogue import BadNotebook, can_run, notebooks
from redis_lab.course.readme import figure, refreshed
from redis_lab.errors import LabUnavailable
from redis_lab.lab.servers import Server

SAID = {
    "title": "Rank without sorting",
    "minutes": [25, 15],
    "requires": ["00"],
    "shape": "standalone",
    "min_version": "7.0",
    "modules": [],
    "stamp": {"redis": "7.0.15"},
}


def write(folder, name="06_sorted_sets.ipynb", drop=(), **said):
    about = {key: value for key, value in (SAID | said).items() if key not in drop}
    folder.mkdir(exist_ok=True, parents=True)
    notebook = {"cells": [], "metadata": {"redis_lab": about}, "nbformat": 4, "nbformat_minor": 5}
    (folder / name).write_text(json.dumps(notebook))


def server(version="7.0.15", tls=True, modules=()):
    found = Server(
        "/bin/redis-server", "redis", version, "jemalloc", tuple((m, m) for m in modules)
    )
    found.__dict__["tls"] = tls
    return found


def test_an_entry_says_what_the_metadata_says(tmp_path):
    """Every field of metadata.redis_lab is in the entry, and number and name come from the file."""
    write(tmp_path)
    (entry,) = notebooks(tmp_path)
    assert (entry.number, entry.name, entry.path.parent) == ("06", "06_sorted_sets", tmp_path)
    assert (entry.title, entry.teaching, entry.exercises) == (SAID["title"], 25, 15)
    assert (entry.requires, entry.shape, entry.min_version) == (("00",), "standalone", "7.0")
    assert (entry.modules, entry.stamp) == ((), SAID["stamp"])
    assert entry.needs == "standalone, ≥ 7.0"


def test_notebooks_are_in_the_order_of_reading_and_nothing_else_is_one(tmp_path):
    """Files called NN_name.ipynb count, by number; what is laid beside or a draft does not."""
    for name in ("62_sentinel", "06_sorted_sets", "62_sentinel.new", "scratch", "6_short"):
        write(tmp_path, f"{name}.ipynb")
    assert [entry.name for entry in notebooks(tmp_path)] == ["06_sorted_sets", "62_sentinel"]


@pytest.mark.parametrize("field", [field for field in SAID if field != "stamp"])
def test_a_missing_field_is_named_with_its_file(tmp_path, field):
    """A notebook that leaves out a field is refused, and the error names both; a stamp may lack."""
    write(tmp_path, "00_start.ipynb", drop=("stamp",), requires=[])
    write(tmp_path, drop=(field,))
    with pytest.raises(BadNotebook, match=rf"06_sorted_sets\.ipynb.* {field}"):
        notebooks(tmp_path)


@pytest.mark.parametrize(
    "said",
    [
        {"title": " "}, {"minutes": 40}, {"minutes": [25, "15"]}, {"minutes": [25]},
        {"minutes": [True, 5]}, {"minutes": [-1, 5]}, {"requires": "00"}, {"requires": ["1"]},
        {"requires": ["06"]}, {"requires": ["62"]}, {"shape": ""}, {"min_version": 7.0},
        {"min_version": "latest"}, {"modules": ["jason"]}, {"modules": "json"}, {"stamp": "today"},
    ],
    ids=repr,
)  # fmt: skip
def test_a_wrong_field_is_refused(tmp_path, said):
    """A value of the wrong kind, or a requirement that comes later, is refused by name."""
    write(tmp_path, **said)
    with pytest.raises(BadNotebook, match=rf"06_sorted_sets\.ipynb.*{next(iter(said))[:7]}"):
        notebooks(tmp_path)


@pytest.mark.parametrize(
    "content",
    ['{"metadata": {}}', "{}", "[]", "", "<<<<<<< HEAD", '{"metadata": {"redis_lab": 1}}'],
)
def test_a_notebook_without_metadata_is_an_error_that_names_the_file(tmp_path, content):
    """A file that says nothing of itself is refused by name, whatever else is in it."""
    (tmp_path / "06_sorted_sets.ipynb").write_text(content)
    with pytest.raises(BadNotebook, match=r"06_sorted_sets\.ipynb"):
        notebooks(tmp_path)


def test_a_number_is_given_once(tmp_path):
    """Two notebooks with one number are refused, and both are named."""
    write(tmp_path, "06_sets.ipynb")
    write(tmp_path, "06_sorted_sets.ipynb")
    with pytest.raises(
        BadNotebook, match=r"06_sorted_sets\.ipynb: 06_sets\.ipynb has the number 06"
    ):
        notebooks(tmp_path)


def test_whether_it_can_run_is_told_in_words(tmp_path):
    """Version, modules and (for secure) TLS decide; no reason means that it can run."""
    write(tmp_path, "10_json.ipynb", min_version="8.0", modules=["json"])
    write(tmp_path, "67_acl.ipynb", shape="secure")
    needs_json, needs_tls = notebooks(tmp_path)
    assert can_run(needs_json, server("8.10.2", modules=["json"])) == ""
    assert "older than 8.0 and has no module json" in can_run(needs_json, server())
    assert can_run(needs_tls, server()) == ""
    assert can_run(needs_tls, server(tls=False)) == "redis 7.0.15 was built without TLS"
    assert can_run(needs_tls, None) == "there is no redis-server"


def test_one_server_that_will_do_is_enough(tmp_path, monkeypatch):
    """A notebook runs if any server here has what it needs; else the newest one's lack is told."""
    write(tmp_path, "67_acl.ipynb", shape="secure")
    write(tmp_path, "80_new.ipynb", min_version="8.12")
    monkeypatch.setattr(catalogue, "shipped_folder", lambda: tmp_path)
    here = [server("7.0.15"), server("8.10.2", tls=False)]
    monkeypatch.setattr("redis_lab.lab.servers.candidates", lambda: list(here))
    (_, acl), (_, new) = catalogue.verdicts()
    assert acl == "" and new == "redis 8.10.2 is 8.10.2, older than 8.12"
    here.clear()
    assert {reason for _, reason in catalogue.verdicts()} == {"there is no redis-server"}


def test_the_shipped_notebooks_are_all_described():
    """The catalogue of this package can be read, and begins with 00."""
    assert notebooks()[0].number == "00"


def test_notebooks_are_found_in_a_wheel_and_a_checkout_and_nowhere_else(tmp_path, monkeypatch):
    """The package's own folder first, then the checkout's; a stranger's beside it is none."""
    package = tmp_path / "redis_lab"
    package.mkdir()
    monkeypatch.setattr(redis_lab, "__file__", str(package / "__init__.py"))
    write(tmp_path / "notebooks")
    with pytest.raises(LabUnavailable, match="carries no notebooks"):
        catalogue.shipped_folder()
    (tmp_path / "pyproject.toml").touch()
    assert catalogue.shipped_folder() == tmp_path / "notebooks"
    write(package / "_notebooks")
    assert catalogue.shipped_folder() == package / "_notebooks"


def test_the_table_in_the_readme_is_fresh():
    """What the README says of the notebooks is what they say themselves."""
    root = Path(redis_lab.__file__).parent.parent
    text = (root / "README.md").read_text()
    assert refreshed(text) == text, "make docs"
    assert (root / ".github" / "failover.png").read_bytes() == figure(), "make docs"
    with pytest.raises(ValueError, match="catalogue"):
        refreshed("no markers")
