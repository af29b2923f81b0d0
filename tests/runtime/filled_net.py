"""Parameters for a net that tests compare in two ways."""

import numpy as np


def filled(net):
    """The net with weights under which nothing vanishes, explodes or has a special value."""
    rng = np.random.default_rng(4)
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            value = rng.normal(size=blob.shape)
            if net.layer_dict[name].type == "BatchNorm":
                value = (0.3 * value, 0.5 + abs(value), np.array([1.7]))[i]
            elif len(blob.shape) == 4:
                value *= (1 / value[0].size) ** 0.5
            blob.data[...] = value
    return net
