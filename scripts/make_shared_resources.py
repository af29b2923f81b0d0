"""Remake the files of shared_resources/ that follow from others: the ab pairs, the clip's prior."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull

from caffe.proto import caffe_pb2
from colorization.colour import sRGB_to_Lab
from colorization.dataset import prior
from colorization.files import replacing
from colorization.resizing import resized
from colorization.resources import resource, shared_resources
from colorization.video import open_video

STEP = 10  # of the grid of pairs in the ab plane; the gamut is widened by as much to each side


def gamut_pairs() -> np.ndarray:
    """Return the ab pairs (313, 2) in float32, by ascending a, then b.

    The colours of the sRGB cube's surface, 256 levels to a channel, are taken to the ab plane;
    their convex hull is widened by the box [-STEP, STEP]^2; the pairs are the points of the grid
    inside. (Zhang et al. 2016, whose published list this is.)
    """
    levels = np.arange(256) / 255
    face = np.stack(np.meshgrid(levels, levels), axis=-1).reshape(-1, 2)
    cube = [np.insert(face, channel, end, axis=1) for channel in range(3) for end in (0, 1)]
    gamut = sRGB_to_Lab(np.concatenate(cube))[:, 1:]
    corners = np.array([(-STEP, -STEP), (-STEP, STEP), (STEP, -STEP), (STEP, STEP)])
    hull = gamut[ConvexHull(gamut).vertices]
    widened = ConvexHull((hull[:, None] + corners).reshape(-1, 2)).equations
    steps = np.arange(-120, 121, STEP)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = (grid @ widened[:, :2].T + widened[:, 2] <= 0).all(axis=1)
    return grid[inside].astype(np.float32)


def film_prior(path: Path) -> np.ndarray:
    """Return the mean histogram (313,) of a film's frames at 256x256 pixels."""
    with open_video(path) as film:
        return prior(resized(frame) for frame, _ in film)


def npy_bytes(array: np.ndarray) -> bytes:
    """Return the .npy file of an array."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def decoding_weights(pairs: np.ndarray) -> bytes:
    """Return a .caffemodel whose 1x1 convolution "ab" takes a histogram to its expectation.

    Genuine Caffe completes a deploy net with it: `-weights trained.caffemodel,ab_pairs.caffemodel`.
    """
    net = caffe_pb2.NetParameter(name="ab_pairs")
    layer = net.layer.add(name="ab", type="Convolution")
    layer.convolution_param.num_output = 2
    layer.convolution_param.kernel_size.append(1)
    layer.convolution_param.bias_term = False
    blob = layer.blobs.add()
    blob.shape.dim.extend((2, len(pairs), 1, 1))
    blob.data.extend(pairs.T.ravel().tolist())
    return net.SerializeToString(deterministic=True)


def main(argv: list[str] | None = None) -> None:
    """Write the files into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=shared_resources(), help="folder")
    folder = parser.parse_args(argv).output
    pairs = gamut_pairs()
    files = {
        "ab_pairs.npy": npy_bytes(pairs),
        "ab_pairs.caffemodel": decoding_weights(pairs),
        "bigbuckbunny_train_priors.npy": npy_bytes(film_prior(resource("bigbuckbunny.mp4"))),
    }
    for name, content in files.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)


if __name__ == "__main__":
    main()
