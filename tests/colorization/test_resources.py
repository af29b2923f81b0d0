import pytest

from colorization import resources
from colorization.resources import resource, shared_resources


def test_the_working_directory_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resource("ab_pairs.npy") == shared_resources() / "ab_pairs.npy"
    (tmp_path / "ab_pairs.npy").touch()
    assert resource("ab_pairs.npy").resolve() == tmp_path / "ab_pairs.npy"


def test_absolute_paths_are_taken_as_they_are(tmp_path):
    path = tmp_path / "priors.npy"
    path.touch()
    assert resource(path) == path


def test_an_installed_package_holds_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "colorization" / "resources.py"))
    assert shared_resources() == tmp_path / "shared_resources"
    (tmp_path / "colorization" / "shared_resources").mkdir(parents=True)
    assert shared_resources() == tmp_path / "colorization" / "shared_resources"


def test_missing_files_are_named_with_the_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        resource("priors.npy")
    assert str(error.value) == f'resource "priors.npy" is not in . or {shared_resources()}'
