"""The compiled part of `segmentation.grow_regions`, which says what is computed.

Where the next seed is: the distance transform of all regions would have to be computed anew after
each of thousands of regions. Two structures make that cheap, and the pixel found is the exact one.

- For each pixel the distance to the nearest region's pixel in its own row. A new pixel of a region
  changes it to its left and right only as far as it is the nearest. The Euclidean distance D of one
  pixel follows on demand: D^2 = min_dy dy^2 + row_distance[y + dy, x]^2, for |dy| < D.
- A heap of square cells, which halve down to single pixels. As D changes by at most one from pixel
  to pixel, D(centre) + the distance from the centre to the cell's farthest corner bounds D in a
  cell. Distances only ever shrink, so an old bound stays a bound: the cell with the largest one is
  looked at again when its turn comes, and split if the bound still holds. A cell whose bound
  is below the limit is dropped for good. The first single pixel to come out is the farthest one.
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit

LARGEST_SIDE = 2**14  # so that a cell fits into one integer, see `_pack`

_FAR = 2**15  # row_distance where a row has no region's pixel; more than any distance
_LARGEST_BOUND = 2**30 - 1
_NEIGHBOURS = ((-1, 0), (0, -1), (0, 1), (1, 0))


@njit(cache=True)
def grow_all(L: np.ndarray, tolerance: float, limit: int) -> np.ndarray:
    """Return labels (H, W), int32, of L; `limit` is the square of the farthest distance."""
    H, W = L.shape
    labels = np.full((H, W), -1, np.int32)
    row_distance = np.full((H, W), _FAR, np.int32)
    members = np.empty(H * W, np.int32)
    cells = [_pack(_LARGEST_BOUND, _level_of(max(H, W)), 0)]
    seed, region = 0, 0
    while seed >= 0:
        count = _grow(L, labels, tolerance, seed, region, members)
        _shorten(row_distance, members[:count])
        seed = _farthest(row_distance, cells, limit)
        region += 1
    return labels


@njit(cache=True)
def _grow(
    L: np.ndarray, labels: np.ndarray, tolerance: float, seed: int, region: int, members: np.ndarray
) -> int:
    """Label one region; put its pixels (y W + x) into `members` and return how many they are."""
    H, W = L.shape
    labels[seed // W, seed % W] = region
    members[0] = seed
    total, count, head = float(L[seed // W, seed % W]), 1, 0
    while head < count:
        y, x = divmod(members[head], W)
        head += 1
        for dy, dx in _NEIGHBOURS:
            v, u = y + dy, x + dx
            inside = 0 <= v < H and 0 <= u < W
            if inside and labels[v, u] < 0 and abs(L[v, u] - total / count) <= tolerance:
                labels[v, u] = region
                members[count] = v * W + u
                count += 1
                total += L[v, u]
    return count


@njit(cache=True)
def _shorten(row_distance: np.ndarray, members: np.ndarray) -> None:
    """Bring the distances within rows up to date with a region's new pixels."""
    W = row_distance.shape[1]
    for index in members:
        row_distance[index // W, index % W] = 0
    for index in members:
        row, x = row_distance[index // W], index % W
        distance = 1
        while distance <= x and row[x - distance] > distance:
            row[x - distance] = distance
            distance += 1
        distance = 1
        while x + distance < W and row[x + distance] > distance:
            row[x + distance] = distance
            distance += 1


@njit(cache=True)
def _farthest(row_distance: np.ndarray, cells: list, limit: int) -> int:
    """Return y W + x of the pixel farthest from all regions; -1 if none is beyond the limit."""
    W = row_distance.shape[1]
    while len(cells) > 0:
        old, level, corner = _unpack(heapq.heappop(cells))
        y, x = divmod(corner, W)
        bound = _bound(row_distance, level, y, x)
        if limit < bound < old:
            heapq.heappush(cells, _pack(bound, level, corner))
        elif bound > limit and level == 0:
            return corner
        elif bound > limit:
            _split(row_distance, cells, limit, level - 1, y, x)
    return -1


@njit(cache=True)
def _split(row_distance: np.ndarray, cells: list, limit: int, level: int, y: int, x: int) -> None:
    """Put those quarters of a cell on the heap that may hold a pixel beyond the limit."""
    H, W = row_distance.shape
    side = 1 << level
    for v in range(y, min(y + 2 * side, H), side):
        for u in range(x, min(x + 2 * side, W), side):
            bound = _bound(row_distance, level, v, u)
            if bound > limit:
                heapq.heappush(cells, _pack(bound, level, v * W + u))


@njit(cache=True)
def _bound(row_distance: np.ndarray, level: int, y: int, x: int) -> int:
    """Return a whole number that no pixel's squared distance in the cell at (y, x) exceeds."""
    if level == 0:
        return _squared_distance(row_distance, y, x)
    H, W = row_distance.shape
    bottom, right = min(y + (1 << level), H) - 1, min(x + (1 << level), W) - 1
    v, u = (y + bottom + 1) // 2, (x + right + 1) // 2
    bound = np.sqrt(_squared_distance(row_distance, v, u)) + np.hypot(v - y, u - x)
    return min(int(bound * bound + 1e-4), _LARGEST_BOUND)  # 1e-4: more than any rounding


@njit(cache=True)
def _squared_distance(row_distance: np.ndarray, y: int, x: int) -> int:
    """Return the squared Euclidean distance of a pixel to the nearest pixel of a region."""
    H = len(row_distance)
    best = np.int64(row_distance[y, x]) ** 2
    dy = 1
    while dy * dy < best and dy < H:
        if y >= dy:
            best = min(best, np.int64(row_distance[y - dy, x]) ** 2 + dy * dy)
        if y + dy < H:
            best = min(best, np.int64(row_distance[y + dy, x]) ** 2 + dy * dy)
        dy += 1
    return best


@njit(cache=True)
def _level_of(side: int) -> int:
    level = 0
    while (1 << level) < side:
        level += 1
    return level


@njit(cache=True)
def _pack(bound: int, level: int, corner: int) -> int:
    """Return a cell as one number for the heap, whose smallest comes first.

    Of equal bounds cells come before pixels, as they may hold a pixel that reads first, and
    pixels come in reading order.
    """
    return ((_LARGEST_BOUND - bound) << 33) | ((15 - level) << 29) | corner


@njit(cache=True)
def _unpack(cell: int) -> tuple[int, int, int]:
    """Return bound, level (the side is 2 ** level) and upper left corner (y W + x)."""
    return _LARGEST_BOUND - (cell >> 33), 15 - ((cell >> 29) & 15), cell & ((1 << 29) - 1)
