"""process_images --precision auto: what it takes, and when it cannot tell."""

import pytest

from colorization import network
from colorization.errors import UsageError
from scripts import process_images


def options(*arguments):
    return process_images._parser().parse_intermixed_args(["a.png", *arguments])


@pytest.mark.parametrize("fast", ["bf16", "fp32"])
def test_auto_takes_what_the_device_is_made_for(monkeypatch, fast):
    asked = []
    monkeypatch.setattr(network, "fast_precision", lambda gpu: asked.append(gpu) or fast)
    assert process_images._precision(options("--precision", "auto", "--gpu", "3")) == fast
    assert process_images._precision(options("--precision", "auto")) == fast
    assert asked == [3, None]


def test_a_precision_that_is_given_stays():
    assert process_images._precision(options()) == "fp32"
    for precision in ("fp32", "tf32", "bf16"):
        assert process_images._precision(options("--precision", precision)) == precision


def test_auto_is_not_for_other_machines():
    with pytest.raises(UsageError, match="--precision auto looks at this machine"):
        process_images._precision(options("--precision", "auto", "--ray", "local"))
