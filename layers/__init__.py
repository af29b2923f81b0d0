"""The custom Caffe Python layers, found in a net as `module: "layers"`.

Each body is one function of `colorization` on the blobs' arrays. `device_tensors` asks the embedded
Caffe for tensors on the net's device; genuine Caffe ignores it and hands out numpy arrays.
Parameters are a JSON object in `param_str`.
"""

from layers.conversion import BGRToLab
from layers.encoding import ABSubsample, SoftEncode
from layers.loss import KLLoss
from layers.weighting import ClassRebalance

__all__ = ["ABSubsample", "BGRToLab", "ClassRebalance", "KLLoss", "SoftEncode"]
