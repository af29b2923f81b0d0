"""A small training with all that must resume exactly: LMDB, crop, mirror, dropout, statistics."""

from pathlib import Path

import lmdb
import numpy as np

from caffe.proto import caffe_pb2

NET = """
name: "resumable"
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.00390625 crop_size: 6 mirror: true }
  data_param { source: "db" batch_size: 4 backend: LMDB }
}
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.00390625 crop_size: 6 }
  data_param { source: "db" batch_size: 2 backend: LMDB }
}
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "xavier" } }
}
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" }
layer { name: "scale" type: "Scale" bottom: "norm" top: "norm" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "norm" top: "norm" }
layer { name: "drop" type: "Dropout" bottom: "norm" top: "drop" }
layer {
  name: "ip" type: "InnerProduct" bottom: "drop" top: "ip"
  param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.1 } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.01 momentum: 0.9 weight_decay: 0.01 iter_size: 2
lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 6 max_iter: 9 random_seed: 3
snapshot_prefix: "snap" solver_mode: CPU display: 1 test_iter: 2 test_interval: 2
"""
ITEMS = 11  # of the database: batches wrap in their middle


def write_folder(folder: Path) -> None:
    """Writes net.prototxt and the database that it reads."""
    (folder / "net.prototxt").write_text(NET)
    draw = np.random.default_rng(7)
    with lmdb.open(str(folder / "db"), map_size=1 << 20) as db, db.begin(write=True) as w:
        for item in range(ITEMS):
            pixels = draw.integers(0, 256, (2, 8, 9), dtype=np.uint8)
            datum = caffe_pb2.Datum(channels=2, height=8, width=9, label=item % 3)
            datum.data = pixels.tobytes()
            w.put(f"{item:04d}".encode(), datum.SerializeToString())
    (folder / "db" / "lock.mdb").unlink()


def everything(solver) -> dict:
    """All that a training has learned, as arrays by name."""
    arrays = {
        f"{layer}/{i}": blob.data.copy()
        for layer, blobs in solver.net.params.items()
        for i, blob in enumerate(blobs)
    }
    history = {f"history/{i}": x.cpu().numpy().copy() for i, x in enumerate(solver.history())}
    return arrays | history | {"iter": np.array(solver.iter), "step": np.array(solver.current_step)}


def assert_identical(got: dict, expected: dict) -> None:
    """Both hold the same arrays, bit for bit."""
    assert got.keys() == expected.keys()
    different = [name for name in got if got[name].tobytes() != expected[name].tobytes()]
    assert different == []
