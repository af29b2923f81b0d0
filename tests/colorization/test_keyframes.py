"""Keyframes: what is exported, read and refused."""

import numpy as np
import pytest

from colorization import keyframes
from colorization.images import Picture, read_image, write_image
from colorization.keyframes import KeyframeError
from colorization.video import write_video


def picture(seed, height=48, width=64):
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3))
    return np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.mark.parametrize(
    "name, number",
    [
        ("frame_0012.png", 12),
        ("7.jpg", 7),
        ("shot2_frame-000130.tif", 130),
        ("frame_000020 (1).png", 20),
        ("FRAME_000020 copy 2.png", 20),
    ],
)
def test_frame_number(tmp_path, name, number):
    assert keyframes.frame_number(tmp_path / name) == number


def test_a_name_without_a_number(tmp_path):
    with pytest.raises(KeyframeError) as caught:
        keyframes.frame_number(tmp_path / "first.png")
    assert str(caught.value) == (
        f"{tmp_path}/first.png: the name has no frame number, expected one like frame_0012.png"
    )


@pytest.fixture
def clip(tmp_path):
    """A grey film of five frames, each of other blocks."""
    grey = [np.repeat(picture(n)[..., :1], 3, 2) for n in range(5)]
    write_video(tmp_path / "clip.mp4", grey, 25)
    return tmp_path / "clip.mp4"


def painted(frame, colour=(30, -10, -40)):
    """A frame of the clip in colour, as bright as before."""
    grey = picture(frame)[..., :1].astype(int) // 2 + 60
    return (grey + colour).clip(0, 255).astype(np.uint8)


def save(path, image):
    write_image(path, Picture(image))
    return path


def test_read_keyframes_sorts_and_resizes(clip, tmp_path):
    save(tmp_path / "keys" / "f_4.png", painted(4))
    save(tmp_path / "keys" / "f_3.png", np.kron(painted(3), np.ones((2, 2, 1), np.uint16)) * 257)
    (tmp_path / "keys" / "notes.txt").write_text("not an image")
    files = keyframes.keyframe_files([tmp_path / "keys"])
    found = keyframes.read_keyframes(clip, files, pytest.fail)
    assert list(found) == [3, 4]
    assert found[3].shape == (96, 128, 3) and found[3].dtype == np.uint8
    np.testing.assert_array_equal(found[4], painted(4))
    np.testing.assert_array_equal(found[3][::2, ::2], painted(3))


def test_large_keyframes_are_made_smaller(clip, tmp_path):
    path = save(tmp_path / "f_1.png", np.kron(painted(1), np.ones((15, 15, 1), np.uint8)))
    (image,) = keyframes.read_keyframes(clip, [path]).values()
    assert image.shape == (360, 480, 3)


def test_two_files_for_a_frame(clip, tmp_path):
    files = [save(tmp_path / name, painted(3)) for name in ("frame_3 copy 2.png", "frame_03.png")]
    with pytest.raises(KeyframeError) as caught:
        keyframes.read_keyframes(clip, files)
    assert str(caught.value) == f"{files[0]} and {files[1]}: both are frame 3; keep one"


def test_an_empty_folder(tmp_path):
    with pytest.raises(KeyframeError, match="no keyframes: give coloured images"):
        keyframes.keyframe_files([tmp_path])


def test_hidden_files_are_no_keyframes(tmp_path):
    path = save(tmp_path / "frame_3.png", painted(3))
    for name in ("._frame_3.png", ".DS_Store"):
        (tmp_path / name).write_bytes(b"something else")
    assert keyframes.keyframe_files([tmp_path]) == [path]


def test_a_missing_keyframe(tmp_path):
    with pytest.raises(KeyframeError) as caught:
        keyframes.keyframe_files([tmp_path / "nix.png"])
    assert str(caught.value) == f"{tmp_path}/nix.png: no such file or folder"


def test_a_keyframe_beyond_the_film(clip, tmp_path):
    with pytest.raises(KeyframeError, match="clip.mp4: has 5 frames, frame 9 is beyond them"):
        keyframes.read_keyframes(clip, [save(tmp_path / "frame_9.png", painted(1))])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_frames_without_colours_are_passed_over(clip, tmp_path, suffix):
    keyframes.export_frames(clip, [0], tmp_path)
    exported = read_image(tmp_path / "frame_000000.png").rgb
    files = [
        save(tmp_path / f"frame_0{suffix}", exported),
        save(tmp_path / "frame_3.png", painted(3)),
    ]
    lines = []
    assert list(keyframes.read_keyframes(clip, files, lines.append)) == [3]
    assert lines == [f"{files[0]}: passed over, as it has no colours yet"]
    with pytest.raises(KeyframeError, match="no keyframe has colours yet"):
        keyframes.read_keyframes(clip, files[:1])


def test_frames_as_in_a_tinted_film_are_passed_over(tmp_path):
    """Its frames have a faint colour of their own; a spot of paint is enough to tell."""
    frame = np.dstack([picture(2)[..., 0] // 2 + shift for shift in (70, 60, 52)])
    write_video(tmp_path / "clip.mp4", [frame, frame], 25)
    keyframes.export_frames(tmp_path / "clip.mp4", [0, 1], tmp_path / "keys")
    first, second = keyframes.keyframe_files([tmp_path / "keys"])
    image = read_image(second).rgb.copy()
    image[10:16, 20:26, 2] //= 2
    save(second, image)
    lines = []
    found = keyframes.read_keyframes(tmp_path / "clip.mp4", [first, second], lines.append)
    assert list(found) == [1] and lines == [f"{first}: passed over, as it has no colours yet"]


@pytest.mark.parametrize("change", ["turned", "mirrored", "cropped", "other frame"])
def test_a_keyframe_that_is_not_its_frame_is_told(clip, tmp_path, change):
    image = {
        "turned": painted(3)[::-1, ::-1],
        "mirrored": painted(3)[:, ::-1],
        "cropped": painted(3)[8:, 12:],
        "other frame": painted(2),
    }[change]
    path = save(tmp_path / "frame_3.png", image.copy())
    lines = []
    assert list(keyframes.read_keyframes(clip, [path], lines.append)) == [3]
    assert lines == [f"{path}: does not look like frame 3 of {clip}; used as it is"]


def test_strong_paint_is_no_other_frame(clip, tmp_path):
    """One half in dark blue, through which a third of the frame can be seen, one half in yellow."""
    image = painted(3).astype(int)
    image[:, :32] = image[:, :32] // 3 + (10, 10, 90)
    image[:, 32:] = image[:, 32:] // 2 + (120, 110, 0)
    path = save(tmp_path / "frame_3.png", image.clip(0, 255).astype(np.uint8))
    assert list(keyframes.read_keyframes(clip, [path], pytest.fail)) == [3]


def test_export_frames(clip, tmp_path):
    files, kept = keyframes.export_frames(clip, [3, 0], tmp_path / "keys")
    assert [path.name for path in files] == ["frame_000000.png", "frame_000003.png"]
    assert kept == []
    assert np.abs(read_image(files[1]).rgb.astype(int) - picture(3)[..., :1]).mean() < 4


def test_export_keeps_what_may_be_painted(clip, tmp_path):
    painted_files = [
        save(tmp_path / "frame_000000.png", painted(0)),
        save(tmp_path / "frame_000003 red.tif", painted(3)),
    ]
    before = [path.read_bytes() for path in painted_files]
    files, kept = keyframes.export_frames(clip, [0, 2, 3], tmp_path)
    assert kept == painted_files and [path.name for path in files] == ["frame_000002.png"]
    assert [path.read_bytes() for path in painted_files] == before
    assert keyframes.export_frames(clip, [0, 3], tmp_path) == ([], painted_files)


def test_export_beyond_the_film_writes_nothing(clip, tmp_path):
    with pytest.raises(KeyframeError, match="has 5 frames, frame 9 is beyond them"):
        keyframes.export_frames(clip, [1, 9], tmp_path / "keys")
    assert not (tmp_path / "keys").exists()
