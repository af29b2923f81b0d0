"""Training on several GPUs through NCCL: known by name only."""

from .errors import CaffeError


class NCCL:
    """pycaffe's exchange of gradients between GPUs, refused as by a Caffe built without NCCL."""

    def __init__(self, solver, uid: str):
        raise CaffeError(
            "NCCL is not supported (caffe.has_nccl() is False): "
            "train on several GPUs with `caffe train -gpu 0,1`"
        )
