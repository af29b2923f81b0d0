"""Files that are replaced as a whole, and what is left when the process is killed."""

import os
import subprocess
import sys

import pytest

from colorization import files
from colorization.files import replacing

KILLED = """
import os, signal, sys
from colorization.files import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def new_process():
    """Let folders be looked through as by a process that has just begun."""
    files._remove_leftovers.cache_clear()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_error_leaves_the_older_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("older")
    with pytest.raises(ZeroDivisionError), replacing(target) as temporary:
        temporary.write_text("newer")
        raise ZeroDivisionError
    assert names(tmp_path) == ["a.txt"]
    assert target.read_text() == "older"


@pytest.mark.skipif(os.name != "posix", reason="processes are told apart on POSIX alone")
@pytest.mark.parametrize("name", ["a.txt", "a.b.txt", "a"])
def test_what_a_killed_process_left_is_removed(tmp_path, name):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / name])
    (left,) = names(tmp_path)
    assert left.startswith(".a.")
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == [name]


def test_what_others_write_stays(tmp_path):
    """Living processes, those of other machines, and files with a name of the kind."""
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("mine")
        parent = temporary.name.replace(f".{os.getpid()}.", f".{os.getppid()}.")
        (tmp_path / parent).write_text("of a living process")
        (tmp_path / ".a.01234567.999999999.part.txt").write_text("of another machine")
        (tmp_path / ".a.999999999.part.txt").write_text("of nobody knows whom")
        (tmp_path / f"a.{files._home()}.999999999.part.txt").write_text("not hidden")
        before = names(tmp_path)
        files._remove_leftovers.cache_clear()
        with replacing(tmp_path / "b.txt") as other:
            other.write_text("another")
        assert names(tmp_path) == sorted([*before, "b.txt"])


def test_the_suffix_stays(tmp_path):
    with replacing(tmp_path / "a.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.touch()
