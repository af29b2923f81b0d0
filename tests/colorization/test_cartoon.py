"""The open cartoon: its lines, its people, its stories, and the truth about its frames."""

import hashlib
import os
import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest

from colorization.cartoon import film, poses
from colorization.cartoon.animals import ANIMALS
from colorization.cartoon.film import RATE, Episode
from colorization.cartoon.ink import Canvas, curve, ellipse
from colorization.cartoon.interludes import CHORES, interlude
from colorization.cartoon.light import DAY, NIGHT
from colorization.cartoon.people import PEOPLE
from colorization.cartoon.places import PLACES, Scene
from colorization.cartoon.poses import ACTIONS, GAITS, STRIDE, Pose, walk
from colorization.cartoon.stage import GONE, Actor, Stage, View
from colorization.cartoon.stories import STORIES
from colorization.cartoon.things import THINGS
from colorization.cartoon.tools import IN_HAND

SMALL = {"seconds": 6.0, "width": 176, "height": 132}


def canvas(width=90, height=70):
    return Canvas(np.full((height, width, 3), 255, np.uint8), np.eye(2, 3))


# --- lines ---


def test_a_curve_goes_through_its_points_and_turns_sharply_at_those_given_twice():
    points = [(0, 0), (30, 4), (30, 4), (26, 40), (3, 33)]
    sampled = curve(points, steps=7)
    assert sampled.shape == (4 * 7, 2)
    for point in points:
        assert np.abs(sampled - point).sum(axis=1).min() == 0
    at = int(np.abs(sampled - (30, 4)).sum(axis=1).argmin())
    before, after = sampled[at] - sampled[at - 1], sampled[at + 1] - sampled[at]
    assert before @ after < 0.5 * np.linalg.norm(before) * np.linalg.norm(after)


def test_an_open_curve_ends_at_its_ends():
    sampled = curve([(1, 2), (9, 5), (20, 3)], closed=False, steps=5)
    assert sampled.shape == (11, 2)
    np.testing.assert_array_equal(sampled[[0, -1]], [(1, 2), (20, 3)])


def test_canvases_within_canvases_multiply():
    outer = canvas().at(10, 20, 2.0, angle=np.pi / 2)
    np.testing.assert_allclose(outer.to_pixels([(3, 0)]), [(10, 26)], atol=1e-9)
    inner = outer.at(1, 4, 0.5, flip=True)
    np.testing.assert_allclose(inner.to_pixels([(6, 2)]), [(0, 16)], atol=1e-9)
    assert inner.scale == pytest.approx(1.0)


def test_a_shape_has_its_fill_inside_and_ink_around():
    c = canvas()
    c.shape(ellipse(40, 35, 30, 20), (240, 90, 30), 3, (10, 20, 30))
    assert c.pixels[35, 40].tolist() == [240, 90, 30]
    assert c.pixels[2, 2].tolist() == [255, 255, 255]
    row = c.pixels[35].astype(int)
    assert np.abs(row - (10, 20, 30)).sum(axis=1).min() < 12


def test_the_same_shape_trembles_alike():
    first, second, third = canvas(), canvas(), canvas()
    first.shape(ellipse(40, 35, 30, 20), (240, 90, 30))
    second.shape(ellipse(40, 35, 30, 20), (240, 90, 30))
    third.at(0, 0, 1.0, angle=0.01).shape(ellipse(40, 35, 30, 20), (240, 90, 30))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert (first.pixels != third.pixels).any()


def test_shade_darkens_by_a_share_and_only_inside():
    c = canvas()
    c.shade(ellipse(40, 35, 20, 10), 0.4)
    assert abs(int(c.pixels[35, 40, 1]) - 153) <= 1
    assert (c.pixels[:20] == 255).all()
    c.shade(ellipse(-80, -50, 20, 10), 0.4)  # outside the picture: nothing to do


def test_the_night_darkens_and_the_day_leaves_colours_alone():
    assert DAY((200, 150, 31)) == (200, 150, 31)
    assert all(dark < light for dark, light in zip(NIGHT((200, 150, 31)), (200, 150, 31)))


# --- people ---


def test_the_foot_on_the_ground_does_not_slide():
    phases = np.linspace(0, 0.49, 11)
    ground = [walk(phase).near_foot_x + phase * STRIDE for phase in phases]
    np.testing.assert_allclose(ground, ground[0], atol=1e-9)
    assert {walk(phase).near_foot_y for phase in phases} == {0.0}
    assert walk(0.75).near_foot_y > 0.1


def test_blended_goes_from_one_pose_to_the_other():
    a, b = poses.greet(0.3), poses.sad(1.1)
    assert poses.blended(a, b, 0) == a
    np.testing.assert_allclose(poses.blended(a, b, 1), b)
    np.testing.assert_allclose(poses.blended(a, b, 0.25), 0.75 * np.array(a) + 0.25 * np.array(b))


def packed(colours):
    """One number for each colour (..., 3)."""
    return colours.astype(int) @ (65536, 256, 1)


@pytest.mark.parametrize("name", PEOPLE)
def test_clothes_stay_the_same_in_every_pose(name):
    person = PEOPLE[name]
    wanted = {packed(np.array(part)) for part in (person.skin, person.shirt, person.shoe)}
    moves = [action(0.4) for action in ACTIONS.values()]
    for pose in [*moves, *(gait[0](0.4) for gait in GAITS.values()), Pose()]:
        pixels = np.full((330, 300, 3), 255, np.uint8)
        person.draw(Canvas(pixels, np.array([(1.0, 0, 140), (0, 1.0, 310)])), pose)
        assert wanted <= set(np.unique(packed(pixels)).tolist()), pose


def test_an_actor_follows_the_cues():
    actor = Actor("hugo", 100, 470).does("talk", 2.0).goes(300).does("laugh", hold="cup")
    assert actor.place(1.0) == (100, 470)
    leg = PEOPLE["hugo"].leg
    seconds = 200 / (GAITS["walk"][2] * leg * 0.95)
    assert actor.place(2.0 + seconds / 2)[0] == pytest.approx(200)
    cue, since, before = actor.cue(2.0 + seconds + 1)
    assert (cue.action, cue.hold, cue.left, before.action) == ("laugh", "cup", False, "walk")
    assert since == pytest.approx(1.0)
    assert Actor("bert", 300, 470).goes(100).cue(60)[0][:1] == ("stand",)
    assert Actor("bert", 300, 470).goes(100).cue(60)[0].left


# --- stories ---


def beats():
    for number, story in enumerate(STORIES, 1):
        yield from ((f"{number} {story.title}", beat) for beat in story.beats(3))
    rng = np.random.default_rng(4)
    for place in [*CHORES, "open sea"]:
        yield from ((f"interlude {place}", interlude(Scene(place), rng)) for _ in range(12))


def test_there_are_thirteen_titles():
    assert len({story.title for story in STORIES}) == len(STORIES) == 13


def test_who_and_what_is_in_the_stories_can_be_drawn():
    for where, beat in beats():
        assert beat.scene.place in PLACES, where
        names = {actor.name for actor in beat.actors}
        for actor in beat.actors:
            for time in np.arange(0, 12, 0.25):
                cue, _, _ = actor.cue(time)
                if actor.name in PEOPLE:
                    assert cue.action in {*ACTIONS, *GAITS, GONE}, (where, actor.name)
                    assert cue.hold in {"", *IN_HAND}, (where, actor.name)
                else:
                    assert actor.name in {*ANIMALS, *THINGS}, where
        assert {camera.actor for camera in beat.cameras} <= {"", *names}, where


def test_the_sea_has_things_that_the_other_episodes_lack():
    casts = [{actor.name for beat in s.beats(0) for actor in beat.actors} for s in STORIES]
    places = [{beat.scene.place for beat in s.beats(0)} for s in STORIES]
    assert {"boat", "parasol", "castle"} <= casts[-1] - set().union(*casts[:-1])
    assert places[-1].isdisjoint(set().union(*places[:-1]))


@pytest.mark.parametrize("seconds", [4, 24, 61.4, 150])
def test_shots_fill_the_time_between_the_credits(seconds):
    for number in range(1, 14):
        episode = Episode(number, seconds=seconds)
        frames = [shot.frames for shot in episode.shots()]
        credits_frames = round(min(2.0, seconds / 8) * RATE)
        assert sum(frames) == round(seconds * RATE) - 2 * credits_frames
        assert max(frames) <= film.LONGEST_SHOT * RATE
        assert min(frames) >= film.SHORTEST_SHOT * RATE or seconds < 20


# --- frames ---


def show(episode):
    frames = list(episode.frames())
    assert len(frames) == len(episode) == round(episode.seconds * RATE)
    return frames


@pytest.fixture(scope="module")
def sea():
    return show(Episode(13, seed=2, **SMALL))


def hue_and_saturation(colour):
    """Degrees, and 0..255."""
    hsv = cv2.cvtColor(np.float32(colour / 255)[None, None], cv2.COLOR_RGB2HSV)[0, 0]
    return hsv[0], hsv[1] * 255


def looks_like_credits(picture):
    """The rule of the thesis, section 4.1.3."""
    pixels = cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    cv2.setRNGSeed(1)
    start = cv2.KMEANS_PP_CENTERS
    _, labels, centres = cv2.kmeans(np.float32(pixels), 2, None, stop, 2, start)
    (blue, saturation), (white, paleness) = map(
        hue_and_saturation, centres[np.bincount(labels.ravel()).argsort()[::-1]]
    )
    share = np.bincount(labels.ravel()).max() / len(pixels)
    is_blue = 190 <= blue <= 260 and saturation >= 250
    return is_blue and 190 <= white <= 250 and paleness <= 120 and share > 0.8


def test_credits_satisfy_the_filter_even_while_they_fade_and_nothing_else_does(sea):
    for picture, truth in sea:
        assert looks_like_credits(picture) == truth.credits, truth


@pytest.mark.parametrize("number", [2, 12])
def test_other_scenes_are_no_credits(number):
    for picture, truth in show(Episode(number, **SMALL))[::9]:
        assert looks_like_credits(picture) == truth.credits, truth


def test_the_record_tells_the_truth(sea):
    truths = [truth for _, truth in sea]
    assert [a.shot for a in truths] == sorted(a.shot for a in truths)
    last = truths[-1].shot
    assert {a.shot for a in truths} == set(range(last + 1))
    assert [a.credits for a in truths] == [a.shot in (0, last) for a in truths]
    for (before, _), (picture, truth) in pairwise(sea):
        assert truth.held == np.array_equal(before, picture)
    starts = [i for i in range(1, len(truths)) if truths[i].shot != truths[i - 1].shot]
    cuts = [i for i, a in enumerate(truths) if a.cut]
    assert cuts == [i for i in starts if truths[i].shot not in (1, last)]
    assert len(cuts) >= 1


def test_fades_are_darker_and_the_picture_stands_still_meanwhile(sea):
    truths = [truth for _, truth in sea]
    story = [i for i, truth in enumerate(truths) if not truth.credits]
    fading = [i for i in story if truths[i].fade]
    count = len(fading) // 2
    assert fading == story[:count] + story[-count:]
    assert not any(truth.cut for truth in (truths[i] for i in fading))
    bright = sea[fading[count - 1] + 1].picture.astype(int)
    for level, index in enumerate(fading[:count], 1):
        faded = sea[index].picture
        np.testing.assert_allclose(faded, bright * level / (count + 1), atol=0.51)


def test_drawings_are_held_for_two_frames_before_a_standing_camera():
    episode = Episode(10, seconds=24, width=96, height=72)
    stage = Stage(episode.width, episode.height)
    shots = [shot for shot in episode.shots() if shot.camera.end is None]
    pictures = [picture for picture, _ in film._filmed(stage, shots[0], 0, 0)][:40]
    changes = [not np.array_equal(a, b) for a, b in pairwise(pictures)]
    first = shots[0].start % 2
    assert not any(changes[first::2])
    assert sum(changes[1 - first :: 2]) > 10


def test_a_pan_moves_in_every_frame():
    stage = Stage(96, 72)
    (shot, *_) = Episode(13, seconds=24, width=96, height=72).shots()
    pictures = [picture for picture, _ in film._filmed(stage, shot, 0, 0)]
    middle = pictures[30:50]
    assert all((a != b).any() for a, b in pairwise(middle))


def test_the_camera_stays_inside_the_painting():
    stage = Stage(96, 72)
    for _, beat in beats():
        for camera in beat.cameras:
            for time in (0.0, 2.0, 5.0):
                view = stage.view(camera, beat.actors, beat.scene, 0.0, time)
                half = np.array([352, 264]) / view.zoom
                width = PLACES[beat.scene.place].width
                assert half[0] - 1e-6 <= view.x <= width - half[0] + 1e-6
                assert half[1] - 1e-6 <= view.y <= 528 - half[1] + 1e-6


def test_the_seed_changes_what_grows_and_not_where_people_are():
    stage = Stage(176, 132)
    actors = [Actor("hugo", 500, 470).does("stand")]
    one, other = (
        stage.picture(Scene("meadow", seed=seed), actors, View(500), 0.0).astype(int)
        for seed in (1, 2)
    )
    changed = np.abs(one - other).sum(axis=2) > 40
    assert changed.mean() > 0.01
    assert not changed[85:100, 80:96].all()


DIGEST = """
import hashlib, sys
from colorization.cartoon.film import Episode
digest = hashlib.sha256()
for picture, truth in Episode(5, int(sys.argv[1]), 3.0, 96, 72).frames():
    digest.update(picture.tobytes() + repr(truth).encode())
print(digest.hexdigest())
"""


def digest_elsewhere(seed, hash_seed):
    """The digest of an episode's frames, computed in another process."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": hash_seed,
    }
    command = [sys.executable, "-c", DIGEST, str(seed)]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_processes_draw_the_same_episode_bit_by_bit():
    digest = hashlib.sha256()
    for picture, truth in Episode(5, 7, 3.0, 96, 72).frames():
        digest.update(picture.tobytes() + repr(truth).encode())
    assert digest_elsewhere(7, "1") == digest.hexdigest() + "\n"
    assert digest_elsewhere(8, "2") != digest.hexdigest() + "\n"
