"""Pure functions on NetParameter messages: which layers a net has, and where blobs are split.

`filter_net` keeps the layers whose include and exclude rules fit the net's state; `insert_splits`
adds a Split layer wherever a blob has several users. Neither touches a tensor.
"""

from . import log
from .errors import CaffeError
from .proto import caffe_pb2


class LayerError(CaffeError):
    """An error that belongs to one layer; `index` counts the layers of the message at hand."""

    def __init__(self, index: int, message: str):
        super().__init__(message)
        self.index = index


def state_meets_rule(state, rule, layer_name: str) -> bool:
    """Whether the net's state satisfies every condition of one include or exclude rule."""
    unmet = None
    if rule.HasField("phase") and rule.phase != state.phase:
        unmet = f"phase ({state.phase}) differed from the phase ({rule.phase})"
    elif rule.HasField("min_level") and state.level < rule.min_level:
        unmet = f"level ({state.level}) is above the min_level ({rule.min_level})"
    elif rule.HasField("max_level") and state.level > rule.max_level:
        unmet = f"level ({state.level}) is above the max_level ({rule.max_level})"
    elif missing := [s for s in rule.stage if s not in state.stage]:
        unmet = f"did not contain stage '{missing[0]}'"
    elif present := [s for s in rule.not_stage if s in state.stage]:
        unmet = f"contained a not_stage '{present[0]}'"
    if unmet:
        log.info("net.cpp:296", f"The NetState {unmet} specified by a rule in layer {layer_name}")
    return not unmet


def keeps_layer(state, layer) -> bool:
    """Whether a layer belongs to a net in this state."""
    if layer.include:
        return any(state_meets_rule(state, rule, layer.name) for rule in layer.include)
    return not any(state_meets_rule(state, rule, layer.name) for rule in layer.exclude)


def filter_net(net):
    """A copy of `net` with the layers of its state only, and for each the index it had in `net`."""
    kept = caffe_pb2.NetParameter()
    kept.CopyFrom(net)
    del kept.layer[:]
    indices = []
    for index, layer in enumerate(net.layer):
        if layer.include and layer.exclude:
            raise LayerError(index, "has both include and exclude rules, expected one kind")
        if keeps_layer(net.state, layer):
            kept.layer.add().CopyFrom(layer)
            indices.append(index)
    return kept, indices


def split_layer_name(layer: str, blob: str, top: int) -> str:
    """The name of the Split layer behind top number `top` of a layer."""
    return f"{blob}_{layer}_{top}_split"


def insert_splits(net):
    """A copy of `net` with Split layers, and for each layer its index in `net` (None: a Split).

    A blob's uses are counted per producer, so that a split comes after the last in-place layer. A
    loss weight counts as a use: on a blob with other users it moves to the split's first top.
    """
    sources, uses = _count_uses(net)
    split = caffe_pb2.NetParameter()
    split.CopyFrom(net)
    del split.layer[:]
    indices, next_use = [], {}

    def take(source):
        next_use[source] = number = next_use.get(source, -1) + 1
        return number

    for index, original in enumerate(net.layer):
        layer = split.layer.add()
        layer.CopyFrom(original)
        indices.append(index)
        for j, blob in enumerate(original.bottom):
            source = sources[index, j]
            if uses[source] > 1:
                name = split_layer_name(net.layer[source[0]].name, blob, source[1])
                layer.bottom[j] = f"{name}_{take(source)}"
        for j, blob in enumerate(original.top):
            count = uses.get((index, j), 0)
            if count <= 1:
                continue
            weight = original.loss_weight[j] if j < len(original.loss_weight) else 0.0
            added = split.layer.add(
                name=split_layer_name(original.name, blob, j), type="Split", bottom=[blob]
            )
            added.top.extend(f"{added.name}_{k}" for k in range(count))
            if weight:
                added.loss_weight.extend([weight] + [0.0] * (count - 1))
                layer.ClearField("loss_weight")
                take((index, j))
            indices.append(None)
    return split, indices


def _count_uses(net):
    """Which (layer, top) each (layer, bottom) reads, and how many users each (layer, top) has."""
    producer, sources, uses = {}, {}, {}
    for index, layer in enumerate(net.layer):
        for j, blob in enumerate(layer.bottom):
            if blob not in producer:
                raise LayerError(index, f'bottom {j} "{blob}" is made by no layer before it')
            sources[index, j] = source = producer[blob]
            uses[source] = uses.get(source, 0) + 1
        for j, blob in enumerate(layer.top):
            producer[blob] = (index, j)
        for j, weight in enumerate(layer.loss_weight[: len(layer.top)]):
            if weight:
                uses[index, j] = uses.get((index, j), 0) + 1
    return sources, uses
