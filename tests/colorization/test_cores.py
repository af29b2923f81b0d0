"""A batch in parts: which thread computes what, with how many cores, and what comes together."""

from threading import Thread, current_thread

import pytest
import torch

from colorization.cores import by_cores


@pytest.fixture(autouse=True)
def two_cores():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def images(count):
    return torch.arange(count * 15.0).reshape(count, 1, 3, 5)


@pytest.mark.parametrize(
    "count, expected",
    [
        (1, [(1, 2)]),
        (2, [(1, 1), (1, 1)]),
        (6, [(3, 1), (3, 1)]),
        (7, [(1, 2), (3, 1), (3, 1)]),  # the one that is left over is for both cores
    ],
)
def test_parts_and_their_cores(count, expected):
    seen = []

    def compute(part):
        seen.append((len(part), torch.get_num_threads()))
        return part.flip(-1) + 1

    result = by_cores(compute, images(count))
    torch.testing.assert_close(result, images(count).flip(-1) + 1, rtol=0, atol=0)
    assert sorted(seen) == expected


def test_one_core_needs_no_other_thread():
    torch.set_num_threads(1)
    assert by_cores(lambda part: torch.tensor([hash(current_thread())]), images(4)).tolist() == [
        hash(current_thread())
    ]


def test_other_threads_keep_all_cores():
    by_cores(lambda part: part, images(2))
    seen = [torch.get_num_threads()]
    other = Thread(target=lambda: seen.append((torch.ones(3).sum(), torch.get_num_threads())[1]))
    other.start()
    other.join()
    assert seen == [2, 2]


def test_an_error_is_that_of_the_part():
    def compute(part):
        raise MemoryError(f"no room for {len(part)}")

    with pytest.raises(MemoryError, match="no room for 2"):
        by_cores(compute, images(4))
    assert len(by_cores(lambda part: part, images(4))) == 4
