"""Soft encoding of a training batch: our search for near pairs against a ball tree, on one core.

The colours are those of the clip: what a network is trained on. The share of a training step is
that of the plain network's step in `training_step`, at the same batch.
"""

import argparse

import numpy as np
import torch
from common import CLOCKS, compare_all, machine, milliseconds
from training_step import caffe_solver

import caffe
from colorization.colour import sRGB_to_Lab
from colorization.histogram import ab_pairs, soft_encode, soft_encode_sparse, subsample
from colorization.resources import resource
from colorization.video import open_video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=24, help="crops of 224x224 (24)")
    parser.add_argument("--step-batch", type=int, default=2, help="of the training step (2)")
    parser.add_argument("--runs", type=int, default=7, help="(7)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="(wall)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    ab = colours(options.batch)
    peers = ball_tree(ab)
    tensor = torch.from_numpy(ab)
    np.testing.assert_allclose(soft_encode(tensor).numpy(), peers["ball tree"](), atol=1e-5)
    name = f"soft encoding {ab.shape}"
    compare_all(name, lambda: soft_encode(tensor), peers, options.runs, options.clock)
    sparse = f"sparse {ab.shape}"
    compare_all(sparse, lambda: soft_encode_sparse(tensor), peers, options.runs, options.clock)
    slow = pixel_by_pixel(ab, options.clock)
    print(f"ball tree asked pixel by pixel: {slow:.0f} ms, from a sample of the pixels")
    tell_share(tensor[: options.step_batch], options)


def colours(batch: int) -> np.ndarray:
    """Return ab (batch, 2, 56, 56) of crops of the clip, as the data layer gives them."""
    crops = []
    with open_video(resource("bigbuckbunny.mp4")) as film:
        for frame, _ in film:
            Lab = sRGB_to_Lab(frame[:224, :224].astype(np.float32) / 255)
            crops.append(Lab[..., 1:].transpose(2, 0, 1))
            if len(crops) == batch:
                break
    return np.ascontiguousarray(subsample(np.stack(crops)), dtype=np.float32)


def ball_tree(ab: np.ndarray, k: int = 5, sigma: float = 5.0) -> dict:
    """Return scikit-learn's search, for all pixels in one call."""
    from sklearn.neighbors import NearestNeighbors

    pairs = ab_pairs()
    tree = NearestNeighbors(n_neighbors=k, algorithm="ball_tree", n_jobs=1).fit(pairs)
    pixels = ab.transpose(0, 2, 3, 1).reshape(-1, 2)

    def weights(distances: np.ndarray) -> np.ndarray:
        w = np.exp(-(distances**2) / (2 * sigma**2))
        return w / w.sum(axis=1, keepdims=True)

    def encode() -> np.ndarray:
        distances, indices = tree.kneighbors(pixels)
        histogram = np.zeros((len(pixels), len(pairs)), np.float32)
        np.put_along_axis(histogram, indices, weights(distances).astype(np.float32), axis=1)
        N, _, H, W = ab.shape
        return histogram.reshape(N, H, W, -1).transpose(0, 3, 1, 2)

    return {"ball tree": encode}


def pixel_by_pixel(ab: np.ndarray, clock: str, pixels: int = 300) -> float:
    """Return the milliseconds of a ball tree that is asked for one pixel at a time."""
    from sklearn.neighbors import NearestNeighbors

    tree = NearestNeighbors(n_neighbors=5, algorithm="ball_tree", n_jobs=1).fit(ab_pairs())
    colours = ab.transpose(0, 2, 3, 1).reshape(-1, 1, 2)
    some = colours[:: len(colours) // pixels]
    taken = milliseconds(lambda: [tree.kneighbors(one) for one in some], clock)
    return taken * len(colours) / len(some)


def tell_share(ab: torch.Tensor, options: argparse.Namespace) -> None:
    """Print how much of a training step the encoding of its batch takes."""
    solver = caffe_solver(options.step_batch)
    solver.step(1)
    for precision in ("fp32", "bf16"):
        caffe.set_precision(precision)
        pairs = [
            (
                milliseconds(lambda: soft_encode(ab), options.clock),
                milliseconds(lambda: solver.step(1), options.clock),
            )
            for _ in range(options.runs)
        ]
        shares = sorted(encoding / (encoding + step) for encoding, step in pairs)
        print(
            f"share of a training step, batch {len(ab)}, {precision}: "
            f"{100 * shares[len(shares) // 2]:.2f} % ({100 * shares[0]:.2f} to "
            f"{100 * shares[-1]:.2f} %)"
        )


if __name__ == "__main__":
    main()
