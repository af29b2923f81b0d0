"""Several networks that colour together (thesis, sections 8.4 and 8.5).

members = [Colorizer("plain"), Colorizer("residual")]
coloured = Ensemble(members, mean="RGB")(rgb)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from colorization.array_namespace import Array, array_namespace, asarray_like, to_numpy
from colorization.colour import Lab_to_sRGB, sRGB_to_Lab
from colorization.histogram import expectation
from colorization.inference import Colorizer
from colorization.network import Network, NetworkError
from colorization.upsampling import STRIDE, upsample

MEANS = ("Lab", "RGB", "maximum")

Refinement = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (L, ab) -> ab


class Ensemble(Colorizer):
    """Colours images with several networks at once; stands wherever a Colorizer does.

    `mean` is one of MEANS: the members' colours are averaged in `Lab` or in `RGB` (`mean_in_Lab`,
    `mean_in_RGB`), or the `maximum` of their histograms (`maximum_of_histograms`) is decoded as the
    members decode theirs. All members see one size.

    `refine` (L, ab) -> ab changes each member's colours before the mean; L (H, W) and ab (2, H, W)
    are numpy arrays at the size that the networks see, and so is its result (2, H, W). It must not
    remember images: they may come from several threads at once.

    A batch that does not fit into memory is halved by each member for itself, with `maximum` for
    all together. ValueError for members or options that do not go together; NetworkError naming
    the network for one that has no histogram where `maximum` needs it.
    """

    def __init__(
        self,
        colorizers: Sequence[Colorizer],
        mean: str = "Lab",
        refine: Refinement | None = None,
    ):
        _check_options(colorizers, mean, refine)
        self.colorizers = [_merged(colorizers)] if mean == "maximum" else list(colorizers)
        self.size = colorizers[0].size
        self.mean = mean
        self.refine = refine

    def predict(self, seen: Sequence[np.ndarray]) -> list[Array]:
        """Return ab (2, h, w) for each of a batch of L, all of one shape (H, W).

        MemoryError when not even one image fits; NetworkError for networks whose ab differ in size.
        """
        members = [colorizer.predict(seen) for colorizer in self.colorizers]
        return [self._mean(L, each) for L, each in zip(seen, zip(*members))]

    def _mean(self, L: np.ndarray, members: Sequence[Array]) -> Array:
        """Return the one ab (2, h, w) of the members' for one L (H, W)."""
        for colorizer, ab in zip(self.colorizers, members):
            _check_same("ab", colorizer.network, ab, self.colorizers[0].network, members[0])
        if self.refine is not None:
            members = [_refined(self.refine, L, ab) for ab in members]
        if len(members) == 1:  # a mean in RGB would cut off colours that a screen cannot show
            return members[0]
        if self.mean == "Lab":
            return mean_in_Lab(members)
        # Samples of ab belong to every fourth pixel of L, see `upsample`.
        return mean_in_RGB(asarray_like(L[::STRIDE, ::STRIDE], members[0]), members)


class MaximumOfNetworks:
    """Networks that answer with one histogram: `maximum_of_histograms`.

    It has the interface of a `Network`, with the blobs `prob` and `ab`. NetworkError for a network
    without the blob `prob`, and for one whose histograms have another shape than the first's.
    """

    def __init__(self, networks: Sequence[Network]):
        for network in networks:
            if "prob" not in network.outputs:
                raise NetworkError(
                    f"{network.deploy}: the network predicts ab without a histogram, "
                    "of which a maximum could be taken; only means in Lab and RGB work"
                )
        self.networks = networks
        self.deploy = networks[0].deploy
        self.outputs = frozenset(("prob", "ab"))

    def __call__(self, L: np.ndarray, output: str) -> Array:
        """Return the blob `output`, from L (N, 1, H, W), float32, 0..100."""
        histogram = maximum_of_histograms(self._histograms(L))
        return expectation(histogram) if output == "ab" else histogram

    def _histograms(self, L: np.ndarray) -> Iterable[Array]:
        first = None
        for network in self.networks:
            histogram = network(L, "prob")
            first = histogram if first is None else first
            _check_same("prob", network, histogram, self.networks[0], first)
            yield histogram


def mean_in_Lab(members: Sequence[Array]) -> Array:
    """Return the mean of several ab, all of one shape; the mean of the Lab images of one L."""
    return array_namespace(members[0]).stack(list(members)).mean(0)


def mean_in_RGB(L: Array, members: Sequence[Array]) -> Array:
    """Return ab (2, H, W) of the mean of sRGB images that have one L (H, W), 0..100.

    Each member ab (2, H, W) becomes with L the image that a screen shows, its channels clipped to
    0..1; the result is ab of the mean of these images, taken as they are stored, with the transfer
    curve. The mean's own lightness, which differs a little from L, is left out: an image keeps the
    L that it came with.
    """
    xp = array_namespace(L)
    images = [Lab_to_sRGB(xp.concatenate((L[None], ab)), axis=0) for ab in members]
    return sRGB_to_Lab(xp.stack(images).mean(0), axis=0)[1:]


def maximum_of_histograms(histograms: Iterable[Array]) -> Array:
    """Return the largest of several histograms (N, Q, H, W) bin by bin, divided by the sum.

    p_i = max_m p_mi / sum_j max_m p_mj over the members m. Of a colour that one member is sure of,
    and the others are not, more is left than in a mean. Of an iterator no more than two histograms
    are in memory.
    """
    iterator = iter(histograms)
    largest = next(iterator)
    for histogram in iterator:
        largest = array_namespace(largest).maximum(largest, histogram)
    return largest / largest.sum(1)[:, None]


def _refined(refine: Refinement, L: np.ndarray, ab: Array) -> Array:
    """Return ab (2, h, w), refined at the size (H, W) of L, of which it is every fourth pixel."""
    plane = to_numpy(upsample(ab, L.shape, L.shape))
    refined = np.asarray(refine(L, plane))
    if refined.shape != plane.shape:
        raise ValueError(f"refine: expected ab {plane.shape} back, got {refined.shape}")
    return asarray_like(refined[:, ::STRIDE, ::STRIDE], ab)


def _merged(colorizers: Sequence[Colorizer]) -> Colorizer:
    """Return the first colorizer, with the maximum of all networks in place of its own."""
    merged = copy.copy(colorizers[0])
    merged.network = MaximumOfNetworks([each.network for each in colorizers])  # type: ignore[assignment]
    return merged


def _check_options(colorizers: Sequence[Colorizer], mean: str, refine: object) -> None:
    if mean not in MEANS:
        raise ValueError(f'mean: expected one of {", ".join(MEANS)}, got "{mean}"')
    if not colorizers:
        raise ValueError("colorizers: expected one or more, got none")
    names = ["size"] + ["decoder", "temperature", "seed"] * (mean == "maximum")
    for name in names:
        values = {getattr(each, name) for each in colorizers}
        if len(values) > 1:
            raise ValueError(f"colorizers: expected one {name} of all, got {_list(values)}")
    if mean == "maximum" and refine is not None:
        raise ValueError("refine: with the maximum of histograms no member has colours to refine")


def _list(values: Iterable) -> str:
    return ", ".join(sorted(map(str, values)))


def _check_same(blob: str, network: Network, got: Array, first: Network, expected: Array) -> None:
    if got.shape != expected.shape:
        raise NetworkError(
            f"{network.deploy}: expected {blob} {tuple(expected.shape)} as of {first.deploy}, "
            f"got {tuple(got.shape)}"
        )
