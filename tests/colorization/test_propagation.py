"""Colours carried from keyframes through a film of textured squares that is drawn here."""

import numpy as np
import pytest

from colorization import propagation
from colorization.colour import Lab_to_sRGB
from colorization.inference import paint
from colorization.keyframe_blend import (
    Guess,
    Track,
    concatenated,
    error_of_flow,
    joined,
)
from colorization.optical_flow import optical_flow
from colorization.propagation import (
    PropagationError,
    Source,
    Stretch,
    Survey,
    propagate,
    proposals,
    survey,
)
from colorization.video import write_video

H, W = 72, 96
RED, BLUE, GREEN, BROWN = (35.0, 20.0), (5.0, -30.0), (-25.0, 25.0), (10.0, 20.0)
NETWORK = np.broadcast_to(np.float32([-20, 20])[:, None, None], (2, 18, 24))


def texture(seed, height=H, width=W):
    """Blurred noise, L 30 to 70."""
    noise = np.random.default_rng(seed).random((height // 4, width // 4))
    plane = np.kron(noise, np.ones((4, 4)))
    for axis in range(2):
        plane = sum(np.roll(plane, i, axis) for i in range(-2, 3)) / 5
    return (30 + 40 * plane).astype(np.float32)


def scene(number, ground, colour, square, square_colour, left):
    """One frame: L (H, W) and ab (2, H, W); a square 32 wide on a ground."""
    L, ab = texture(ground), np.empty((2, H, W), np.float32)
    ab[:] = np.float32(colour)[:, None, None]
    x = left + 2 * number
    L[20:52, x : x + 32] = texture(square)[:32, :32] / 2 + 40
    ab[:, 20:52, x : x + 32] = np.float32(square_colour)[:, None, None]
    return L, ab


def first_shot(count=8):
    return [scene(number, 1, BLUE, 2, RED, 12) for number in range(count)]


def second_shot(count=7):
    return [scene(number, 3, BROWN, 4, GREEN, 30) for number in range(count)]


def rgb(frame, scale=1):
    L, ab = (np.kron(plane, np.ones((scale, scale))) for plane in frame)
    return paint(L.astype(np.float32), ab.astype(np.float32))


def lab(frame):
    """A frame within the gamut is kept by its keyframe; one outside of it would not be."""
    return np.concatenate((frame[0][None], frame[1]))


def coloured(film, numbers, network=None, scale=1):
    keys = {number: rgb(film[number], scale) for number in numbers}
    network = None if network is None else [network] * len(film)
    return list(propagate(lambda: (L for L, _ in film), keys, network))


def missed(result, frame):
    """Distance (H, W) in ab."""
    return np.hypot(*(result - frame[1]))


def test_the_films_colours_are_in_gamut():
    for frame in (*first_shot(), *second_shot()):
        sRGB = Lab_to_sRGB(lab(frame), axis=0, clip=False)
        assert sRGB.min() >= 0 and sRGB.max() <= 1


@pytest.mark.parametrize("scale", [1, 2])
def test_colours_move_with_what_they_belong_to(scale):
    film = first_shot()
    result = coloured(film, [0, 7], scale=scale)
    assert [ab.shape for ab, _ in result] == [(2, H, W)] * 8
    assert all(ab.dtype == np.float32 for ab, _ in result)
    for (ab, source), frame in zip(result, film):
        assert np.median(missed(ab, frame)) < 1
        assert np.mean(missed(ab, frame) > 8) < 0.03
        assert source.before + source.after == pytest.approx(1, abs=1e-4)
    assert [source.keyframe for _, source in result] == [True] + [False] * 6 + [True]
    assert result[1][1].before > 0.5 > result[6][1].before
    copied = rgb(film[0]), rgb(film[4])
    assert np.mean(copied[0] != copied[1]) > 0.1  # so that copying would not do


def test_a_small_keyframe():
    film = first_shot(4)
    keys = {0: rgb(film[0])[::2, ::2]}
    result = list(propagate(lambda: (L for L, _ in film), keys))
    for (ab, _), frame in zip(result, film):
        assert np.median(missed(ab, frame)) < 1 and np.mean(missed(ab, frame) > 20) < 0.05


def test_a_large_film_moves_its_colours_small(monkeypatch):
    monkeypatch.setattr(propagation, "SHORT_SIDE", 48)
    film = first_shot(4)
    found = survey(lambda: (L for L, _ in film), [0])
    assert found.greys[0].shape == (48, 64)
    for (ab, _), frame in zip(coloured(film, [0]), film):
        assert ab.shape == (2, H, W)
        assert np.median(missed(ab, frame)) < 1


def test_no_colour_crosses_a_cut():
    film = first_shot() + second_shot()
    result = coloured(film, [7, 14])
    assert [source.shot for _, source in result] == [0] * 8 + [1] * 7
    for (ab, source), frame in zip(result, film):
        assert np.mean(missed(ab, frame) > 8) < 0.1
        assert source.before == 0 or source.keyframe
    assert missed(film[0][1], film[8]).mean() > 30


def test_a_shot_without_keyframes_is_grey_or_the_networks():
    film = first_shot() + second_shot()
    for ab, source in coloured(film, [0])[8:]:
        assert not ab.any()
        assert source == Source(1, uncertain=1.0, error=30.0)
    for ab, source in coloured(film, [0], NETWORK)[8:]:
        np.testing.assert_allclose(ab, np.broadcast_to(NETWORK[:, :1, :1], ab.shape), atol=1e-3)
        assert source.network == 1 and source.uncertain == 1


def covering(count=7):
    """A large square goes away to the right, and the ground that it hid comes out at its left."""
    frames = []
    for number in range(count):
        L, ab = texture(5), np.empty((2, H, W), np.float32)
        ab[:] = np.float32(BLUE)[:, None, None]
        x = 20 + 5 * number
        L[8:64, x : x + 40] = texture(6)[:56, : min(40, W - x)] / 2 + 40
        ab[:, 8:64, x : x + 40] = np.float32(RED)[:, None, None]
        frames.append((L, ab))
    return frames


def network_right_at(film, numbers):
    """ab for each frame: at the keyframes the true ones, elsewhere always the same."""
    return [ab[:, ::4, ::4] if i in numbers else NETWORK for i, (_, ab) in enumerate(film)]


def from_network(ab):
    """Distance (H, W) in ab."""
    return np.hypot(*(ab - NETWORK[:, :1, :1]))


def carried(film, numbers, network, found=None):
    keys = {number: rgb(film[number]) for number in numbers}
    return list(propagate(lambda: (L for L, _ in film), keys, network, found=found))


def test_what_was_hidden_is_the_networks():
    film = covering()
    hidden = (slice(14, 58), slice(25, 45))  # under the square in frame 0, ground in frame 6
    ab, source = carried(film, [0], network_right_at(film, [0]))[6]
    alone, _ = carried(film, [0], None)[6]
    assert from_network(ab)[hidden].mean() < 0.8 * from_network(alone)[hidden].mean()
    assert np.median(missed(ab, film[6])[:6]) < 1
    assert 0.05 < source.network < 0.5 and source.uncertain > 0.05
    both, shared = carried(film, [0, 6], network_right_at(film, [0, 6]))[4]
    assert shared.network < source.network
    assert np.median(missed(both, film[4])[hidden]) < 4  # the keyframe after shows it


def flash():
    """Something white comes up at the top of frames 3 and 4, nowhere to be seen in the others."""
    film = first_shot(6)
    for number in (3, 4):
        L, ab = film[number]
        L[:18, : 20 * number], ab[:, :18, : 20 * number] = 95, 0
    greys = {0: np.rint(film[0][0] * 2.55).astype(np.uint8)}
    return film, Survey(6, (H, W), [0], greys)


def test_what_is_new_is_the_networks():
    film, found = flash()
    result = carried(film, [0], network_right_at(film, [0]), found)
    for number in (3, 4):
        ab, source = result[number]
        assert np.median(from_network(ab)[3:14, 5 : 20 * number - 5]) < 5
        assert source.network > result[2][1].network + 0.1
    assert result[2][1].network < 0.1


def test_a_network_that_misses_the_keyframes_counts_less():
    film, found = flash()
    good = carried(film, [0], network_right_at(film, [0]), found)
    bad = carried(film, [0], [NETWORK] * 6, found)
    assert bad[4][1].network < 0.8 * good[4][1].network


def test_waiting_for_a_keyframe_ends_somewhere(monkeypatch):
    film = first_shot()
    near = coloured(film, [7])
    monkeypatch.setattr(propagation, "LOOKAHEAD", 3)
    far = coloured(film, [7])
    for number, frame in enumerate(film):
        assert np.median(missed(far[number][0], frame)) < 1
        assert far[number][1].after + far[number][1].before == pytest.approx(1, abs=1e-4)
    for number in (4, 5, 6):
        np.testing.assert_array_equal(near[number][0], far[number][0])


def test_frames_are_read_as_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(propagation, "LOOKAHEAD", 2)
    film, read = first_shot(), []
    keys = {0: rgb(film[0]), 7: rgb(film[7])}
    found = survey(lambda: (L for L, _ in film), keys)

    def planes():
        for number, (L, _) in enumerate(film):
            read.append(number)
            yield L

    results = propagate(planes, keys, found=found)
    for number in range(8):
        next(results)
        assert len(read) <= number + 3


def test_stretches():
    found = Survey(20, (H, W), [0, 8, 12], {n: np.zeros((2, 3), np.uint8) for n in (3, 5, 12)})
    assert list(found.stretches()) == [
        Stretch(0, 0, 3, None, 3),
        Stretch(0, 3, 5, 3, 5),
        Stretch(0, 5, 8, 5, None),
        Stretch(1, 8, 12, None, None),
        Stretch(2, 12, 20, 12, None),
    ]


def test_a_film_file(tmp_path):
    film = first_shot(4)
    write_video(tmp_path / "clip.mp4", [rgb((L, 0 * ab)) for L, ab in film], 25)
    result = list(propagate(tmp_path / "clip.mp4", {0: rgb(film[0])}))
    assert len(result) == 4
    assert all(np.median(missed(ab, frame)) < 3 for (ab, _), frame in zip(result, film))


def test_black_before_the_first_picture_begins_no_shot():
    black = [(np.zeros((H, W), np.float32), np.zeros((2, H, W), np.float32))] * 2
    assert survey(lambda: (L for L, _ in black + first_shot(3)), []).shots == [0]


@pytest.mark.parametrize("number", [-1, 4])
def test_a_keyframe_beyond_the_film(number):
    film = first_shot(4)
    with pytest.raises(PropagationError) as caught:
        list(propagate(lambda: (L for L, _ in film), {number: rgb(film[0])}))
    expected = f"keyframe {number}: expected a frame from 0 to 3, the film's last"
    assert str(caught.value) == expected


def test_frames_of_two_sizes():
    planes = [texture(1), texture(1)[:-4]]
    with pytest.raises(PropagationError) as caught:
        survey(lambda: planes, [])
    assert str(caught.value) == "frame 1: expected (72, 96) as frame 0, got (68, 96)"


def test_a_network_that_ends_early():
    film = first_shot(4)
    with pytest.raises(PropagationError) as caught:
        list(propagate(lambda: (L for L, _ in film), {0: rgb(film[0])}, [NETWORK] * 2))
    assert str(caught.value) == "the network: ended after 2 frames, expected 4"


def test_a_keyframe_that_is_no_image():
    film = first_shot(2)
    with pytest.raises(ValueError, match=r"expected RGB .* got \(72, 96\) float32"):
        list(propagate(lambda: (L for L, _ in film), {0: film[0][0]}))


def test_proposals():
    areas = [0, 0.1, 0.3, 0.29, 0.05, 0.2, 0, 0, 0, 0]
    sources = [Source(0, keyframe=i == 0, uncertain=area) for i, area in enumerate(areas)]
    sources += [Source(1, uncertain=1.0)] * 5 + [Source(2, uncertain=1.0)] * 7
    assert proposals(sources, 1, apart=3) == [18]
    assert proposals(sources, 2, apart=3) == [12, 18]
    assert proposals(sources[:10], 1, apart=2) == [2]
    assert proposals(sources[:10], 9, apart=2) == [2, 5]
    assert proposals(sources[:10], 9, apart=3) == [3]
    assert proposals(sources, 0) == []
    with pytest.raises(ValueError, match="got -1 and 12"):
        proposals(sources, -1)


def test_the_frame_with_something_new_is_proposed():
    film, found = flash()
    result = carried(film, [0], network_right_at(film, [0]), found)
    assert proposals([source for _, source in result], 1, apart=2) == [4]


def test_concatenated_flows():
    rng = np.random.default_rng(1)
    first = rng.integers(-1, 2, (9, 7, 2)).astype(np.float32)
    second = rng.normal(size=(9, 7, 2)).astype(np.float32)
    result = concatenated(first, second)
    for y in range(9):
        for x in range(7):
            dx, dy = first[y, x].astype(int)
            there = second[min(max(y + dy, 0), 8), min(max(x + dx, 0), 6)]
            np.testing.assert_allclose(result[y, x], first[y, x] + there, atol=1e-5)


def test_joined():
    rng = np.random.default_rng(2)
    guesses = [
        Guess(rng.normal(size=(5, 4, 2)).astype(np.float32), rng.random((5, 4)) + 0.1)
        for _ in range(3)
    ]
    mean, shares = joined(guesses)
    for y in range(5):
        for x in range(4):
            weights = [guess.error[y, x] ** -2 for guess in guesses]
            expected = sum(w * g.ab[y, x] for w, g in zip(weights, guesses)) / sum(weights)
            np.testing.assert_allclose(mean.ab[y, x], expected, atol=1e-6)
            parts = [(w / sum(weights)) ** 2 * g.error[y, x] for w, g in zip(weights, guesses)]
            assert mean.error[y, x] == pytest.approx(sum(parts))
            assert shares[1][y, x] == pytest.approx(weights[1] / sum(weights))


def test_error_of_flow():
    grey, found = np.full((6, 9), 100, np.uint8), np.full((6, 9), 104, np.uint8)
    squared = np.array([0.0, 3.0, 1e6])[np.arange(54).reshape(6, 9) % 3].astype(np.float32)
    error = error_of_flow(grey, found, squared, 5)
    np.testing.assert_allclose(error[0, :3], [4.8, 10.8, 804.8], rtol=1e-5)


def test_a_track_finds_its_way_by_steps_and_by_a_jump():
    film = first_shot(6)
    greys = [np.rint(L * 2.55).astype(np.uint8) for L, _ in film]
    key = np.ascontiguousarray(np.moveaxis(film[0][1], 0, -1))
    stepping = Track(greys[0], key)
    for last, grey in zip(greys, greys[1:]):
        stepped = stepping.step(grey, optical_flow(grey, last), optical_flow(last, grey))
    for guess in (stepped, Track(greys[0], key).jump(greys[5], 5)):
        distance = np.linalg.norm(guess.ab - np.moveaxis(film[5][1], 0, -1), axis=-1)
        assert np.median(distance) < 0.1 and np.mean(distance > 20) < 0.2
        wrong, right = guess.error[distance > 20], guess.error[distance < 1]
        assert np.median(wrong) > 5 * np.median(right)
    assert stepping.distance == 5
