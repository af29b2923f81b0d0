"""Optical flow, against known motions and naive loops."""

import cv2
import numpy as np
import pytest

from colorization.optical_flow import (
    LEAST_SIDE,
    PRESETS,
    as_grey,
    fine_flow,
    occluded,
    optical_flow,
    warp,
)


def texture(height, width, seed=1):
    """Smooth grey noise that fills 0 to 255."""
    noise = np.random.default_rng(seed).random((height, width), np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.rint(cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX)).astype(np.uint8)


def test_lightness_as_grey():
    grey = as_grey(np.float32([[0, 0.3, 50.1, 100, 100.2]]))
    assert grey.dtype == np.uint8 and grey.tolist() == [[0, 1, 128, 255, 255]]


@pytest.mark.parametrize("preset", PRESETS)
def test_flow_points_from_the_first_to_the_second(preset):
    scene = texture(80, 110)
    first, second = scene[10:66, 12:96], scene[8:64, 15:99]  # things go down by 2, left by 3
    flow = optical_flow(first, second, preset)
    assert flow.shape == (56, 84, 2) and flow.dtype == np.float32
    np.testing.assert_allclose(np.median(flow, (0, 1)), (-3, 2), atol=0.1)
    y, x = 30, 40
    dx, dy = np.rint(flow[y, x]).astype(int)
    assert first[y, x] == second[y + dy, x + dx]


def test_the_fine_flow_follows_a_thin_thing():
    """A strip four pixels wide moves over ground that stands still."""
    first, second, strip = texture(64, 84, 4), texture(64, 84, 4), texture(40, 50, 15)[:, :4]
    first[12:52, 40:44] = second[12:52, 43:47] = strip
    flow, fine = optical_flow(first, second), fine_flow(first, second)
    assert fine.shape == (64, 84, 2) and fine.dtype == np.float32
    errors = [np.abs(found[14:50, 40:44] - (3, 0)).mean() for found in (flow, fine)]
    assert errors[1] < 0.3 < 0.6 < errors[0]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 50), (LEAST_SIDE - 1, 40), (33, 5)])
def test_small_and_equal_images(size):
    image = texture(64, 64)[: size[0], : size[1]]
    for flow in (optical_flow(image, image), fine_flow(image, image)):
        assert flow.shape == (*size, 2)
        np.testing.assert_allclose(flow, 0, atol=1e-3)
        assert not occluded(flow, flow).any()


def test_a_small_image_moves():
    scene = texture(40, 40)
    flow = optical_flow(scene[5:25, 5:29], scene[5:25, 4:28])
    np.testing.assert_allclose(np.median(flow, (0, 1)), (1, 0), atol=0.1)


def test_flow_of_two_views_that_are_not_contiguous():
    scene = texture(80, 110)
    views = scene[::2, ::2], scene[::2, 1::2]
    copies = (np.ascontiguousarray(view) for view in views)
    np.testing.assert_array_equal(optical_flow(*views), optical_flow(*copies))


@pytest.mark.parametrize(
    "first, second, preset, message",
    [
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8), "fast", "first: expected"),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.float32), "fast", "second: expected"),
        (
            np.zeros((4, 5), np.uint8),
            np.zeros((4, 6), np.uint8),
            "fast",
            r"second: expected \(4, 5",
        ),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint8), "slow", 'got "slow"'),
    ],
)
def test_wrong_arguments(first, second, preset, message):
    with pytest.raises(ValueError, match=message):
        optical_flow(first, second, preset)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_warp_is_the_naive_loop(channels):
    rng = np.random.default_rng(2)
    image = rng.random((7, 9, *channels), np.float32)
    # Multiples of 1/32 pixel, which is how finely remap knows a place.
    flow = (rng.integers(-96, 96, (7, 9, 2)) / 32).astype(np.float32)
    expected = np.empty_like(image)
    for y in range(7):
        for x in range(9):
            there_x, there_y = x + flow[y, x, 0], y + flow[y, x, 1]
            left, top = int(np.floor(there_x)), int(np.floor(there_y))
            total = 0
            for j, i in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                weight = (1 - abs(there_y - j)) * (1 - abs(there_x - i))
                total = total + weight * image[min(max(j, 0), 6), min(max(i, 0), 8)]
            expected[y, x] = total
    np.testing.assert_allclose(warp(image, flow), expected, atol=1e-5)


def test_lanczos_between_pixels():
    """A fine wave, moved by half a pixel, is itself; linear interpolation flattens it."""
    x = np.arange(40, dtype=np.float32)
    image = np.sin(1.5 * x)[None].repeat(12, 0)
    flow = np.zeros((12, 40, 2), np.float32)
    flow[..., 0] = 0.5
    true = np.sin(1.5 * (x + 0.5))
    linear, lanczos = (
        np.abs(warp(image, flow, how) - true)[:, 6:-6].max()
        for how in (cv2.INTER_LINEAR, cv2.INTER_LANCZOS4)
    )
    assert lanczos < 0.03 < 0.2 < linear


def test_warp_refuses_a_flow_of_another_size():
    with pytest.raises(ValueError, match=r"flow: expected \(4, 5\) as the image, got \(5, 4\)"):
        warp(np.zeros((4, 5), np.float32), np.zeros((5, 4, 2), np.float32))


def test_occluded_is_the_naive_loop():
    rng = np.random.default_rng(3)
    flow = (2 + rng.integers(-1, 2, (8, 11, 2)).cumsum(1) / 8).astype(np.float32)
    backward = -flow + 0.75 * rng.integers(0, 2, (8, 11, 1)).astype(np.float32)
    returned = warp(backward, flow)
    expected = np.zeros((8, 11), bool)
    for y in range(8):
        for x in range(11):
            f, b = flow[y, x], returned[y, x]
            there_and_back = ((f + b) ** 2).sum() > 0.01 * ((f**2).sum() + (b**2).sum()) + 0.5
            up, down = max(y - 1, 0), min(y + 1, 7)
            left, right = max(x - 1, 0), min(x + 1, 10)
            by_y = (flow[down, x] - flow[up, x]) / (down - up)
            by_x = (flow[y, right] - flow[y, left]) / (right - left)
            border = (by_x**2).sum() + (by_y**2).sum() > 0.01 * (f**2).sum() + 0.002
            expected[y, x] = there_and_back or border
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(occluded(flow, backward), expected)


def test_what_a_thing_uncovers_and_covers_is_occluded():
    ground, thing = texture(90, 120, 4), texture(40, 50, 5)
    first, second = ground.copy(), ground.copy()
    first[30:70, 30:80] = thing
    second[30:70, 36:86] = thing
    mask = occluded(optical_flow(first, second), optical_flow(second, first))
    assert mask[38:62, 81:85].mean() > 0.8  # covered in the second
    assert mask[38:62, 38:72].mean() < 0.2  # the thing itself
    assert mask[:20].mean() < 0.05  # the ground
