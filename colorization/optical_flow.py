"""Where each pixel of a frame has gone to in another frame: optical flow by DIS.

A flow is (H, W, 2) float32, the displacement (x, y) in pixels: what the first frame has at
(y, x), the second has at (y + flow_y, x + flow_x).
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
ENLARGED = 2  # by which `fine_flow` enlarges the frames
LEAST_SIDE = 32  # below it DIS has no room for its patches on the coarse levels
CONSISTENCY = (0.01, 0.5)  # the round trip's error allowed: share of the flows, squared pixels
SMOOTHNESS = (0.01, 0.002)  # the flow's gradient allowed: likewise


def as_grey(L: np.ndarray) -> np.ndarray:
    """Return L (H, W), 0..100, as grey (H, W), uint8, 0..255."""
    return cv2.convertScaleAbs(L.clip(0, None), alpha=2.55)


def optical_flow(first: np.ndarray, second: np.ndarray, preset: str = "medium") -> np.ndarray:
    """Return the flow (H, W, 2) float32 from the first to the second frame, both (H, W) uint8 grey.

    The method is DIS, an inverse search of patches from coarse to fine with a variational
    refinement (Kroeger et al. 2016, "Fast optical flow using dense inverse search"), as OpenCV has
    it. An image with a side below LEAST_SIDE goes on beyond its border in the colour of the border.
    `preset` is "ultrafast", "fast" or "medium". Other dtypes or unequal shapes are a ValueError.
    """
    _check_grey(first, second)
    if preset not in PRESETS:
        raise ValueError(f'preset: expected one of {", ".join(PRESETS)}, got "{preset}"')
    height, width = first.shape
    bottom, right = max(0, LEAST_SIDE - height), max(0, LEAST_SIDE - width)
    first, second = (_padded(image, bottom, right) for image in (first, second))
    dis = cv2.DISOpticalFlow.create(PRESETS[preset])  # one for each call: threads may share nothing
    return _calculated(dis, first, second)[:height, :width]


def fine_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the flow as `optical_flow` does, for measuring: it follows thin lines, but slowly.

    DIS on frames ENLARGED times as large, down to their own resolution, where the presets stop at a
    half or a quarter of it.
    """
    _check_grey(first, second)
    if np.array_equal(first, second):
        return np.zeros((*first.shape, 2), np.float32)
    size = (ENLARGED * first.shape[1], ENLARGED * first.shape[0])
    large = [cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) for image in (first, second)]
    bottom, right = max(0, LEAST_SIDE - size[1]), max(0, LEAST_SIDE - size[0])
    dis = cv2.DISOpticalFlow.create(PRESETS["fast"])
    dis.setFinestScale(0)
    flow = _calculated(dis, *(_padded(image, bottom, right) for image in large))
    flow = flow[: size[1], : size[0]]
    return cv2.resize(flow, first.shape[::-1], interpolation=cv2.INTER_AREA) / ENLARGED


def warp(image: np.ndarray, flow: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Fetch each pixel from where the flow points: result[y, x] = image[y + flow_y, x + flow_x].

    `image` is (H, W) or (H, W, C), up to four channels, uint8 or float32; between pixels it is
    bilinear, or what else OpenCV's `interpolation` says, beyond the border the border's colour goes
    on. With the flow from the first to the second frame, warp(second, flow) is the second frame
    brought to where things were in the first.
    """
    if image.shape[:2] != flow.shape[:2]:
        raise ValueError(f"flow: expected {image.shape[:2]} as the image, got {flow.shape[:2]}")
    sources = _places(*flow.shape[:2]) + flow
    # OpenCV's stubs do not know that one map may hold both coordinates.
    return cv2.remap(  # type: ignore[call-overload]
        image, sources, None, interpolation, borderMode=cv2.BORDER_REPLICATE
    )


@lru_cache(maxsize=8)
def _places(height: int, width: int) -> np.ndarray:
    """Return x and y of each pixel (H, W, 2), float32."""
    sides = (np.arange(side, dtype=np.float32) for side in (width, height))
    return np.stack(np.meshgrid(*sides), axis=-1)


def occluded(flow: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return where (H, W), bool, a pixel of the first frame is not to be found in the second.

    With f the flow from the first to the second frame and b the one back, a pixel x is occluded if
    |f(x) + b(x + f(x))|^2 > 0.01 (|f(x)|^2 + |b(x + f(x))|^2) + 0.5, where there and back does not
    end where it began, or on a border of motion, |grad f|^2 > 0.01 |f|^2 + 0.002, with the
    gradients of both components by x and y (central differences) summed (Sundaram et al. 2010;
    Lai et al. 2018, "Learning blind video temporal consistency", section 4).
    """
    share, constant = SMOOTHNESS
    border = _squared_gradient(flow) > share * squared_length(flow) + constant
    return lost(flow, backward) | border


def lost(flow: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return where (H, W), bool, there and back does not end where it began: see `occluded`."""
    returned = warp(backward, flow)
    share, constant = CONSISTENCY
    allowed = share * (squared_length(flow) + squared_length(returned)) + constant
    return squared_length(flow + returned) > allowed


def squared_length(flow: np.ndarray) -> np.ndarray:
    """Return the squared length (H, W) of each vector of a flow."""
    return flow[..., 0] ** 2 + flow[..., 1] ** 2


def _calculated(dis: cv2.DISOpticalFlow, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return dis.calc(first, second, None)  # type: ignore[call-overload]  # OpenCV's stubs forbid None


def _padded(image: np.ndarray, bottom: int, right: int) -> np.ndarray:
    if bottom or right:
        image = np.pad(image, ((0, bottom), (0, right)), mode="edge")
    return np.ascontiguousarray(image)


def _squared_gradient(flow: np.ndarray) -> np.ndarray:
    """Return |grad u|^2 + |grad v|^2, (H, W); along an axis of length one it is zero."""
    result = np.zeros(flow.shape[:2], np.float32)
    for axis in range(2):
        if flow.shape[axis] > 1:
            result += squared_length(np.gradient(flow, axis=axis))
    return result


def _check_grey(first: np.ndarray, second: np.ndarray) -> None:
    for name, image in (("first", first), ("second", second)):
        if image.ndim != 2 or image.dtype != np.uint8:
            raise ValueError(f"{name}: expected (H, W) uint8 grey, got {image.shape} {image.dtype}")
    if first.shape != second.shape:
        raise ValueError(f"second: expected {first.shape} as the first, got {second.shape}")
