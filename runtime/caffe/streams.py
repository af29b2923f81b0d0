"""Random streams that depend on keys alone, so that interrupted work resumes bit for bit.

Every draw belongs to a stream named by integers or strings (the net's seed, the layer, the number
of the forward pass); nothing depends on what was drawn before elsewhere.
"""

import hashlib

import numpy as np
import torch


def derive(*keys: "int | str") -> int:
    """A 63-bit seed that follows from the keys."""
    text = "/".join(map(str, keys)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def torch_generator(*keys: "int | str", device: "torch.device | str" = "cpu") -> torch.Generator:
    """A torch generator for the stream of these keys."""
    return torch.Generator(device).manual_seed(derive(*keys))


def numpy_generator(*keys: "int | str") -> np.random.Generator:
    """A numpy generator for the stream of these keys."""
    return np.random.default_rng(derive(*keys))
