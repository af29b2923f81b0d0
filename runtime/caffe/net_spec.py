"""Nets written in Python: `layers` makes layers, `NetSpec` names their tops.

>>> n = NetSpec()
>>> n.data = layers.Input(shape=dict(dim=[1, 3, 32, 32]))
>>> n.conv = layers.Convolution(n.data, num_output=8, kernel_size=3)
>>> [layer.name for layer in n.to_proto().layer]
['data', 'conv']
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf.message import Message

from .proto import caffe_pb2
from .schema import is_repeated


def param_name_dict() -> dict[str, str]:
    """Stem of a type of layer settings -> stem of its field: `InnerProduct: inner_product`."""
    return {
        field.message_type.name.removesuffix("Parameter"): field.name.removesuffix("_param")
        for field in caffe_pb2.LayerParameter.DESCRIPTOR.fields
        if field.name.endswith("_param")
    }


def assign_proto(proto: Message, name: str, val: Any) -> None:
    """Sets a field: a dict fills a message, a list or one value is added to a repeated field."""
    field = proto.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise AttributeError(f'no field "{name}" in {proto.DESCRIPTOR.name}')
    if is_repeated(field):
        values = val if isinstance(val, (list, tuple)) else [val]
        for value in values:
            _add(getattr(proto, name), value)
    elif isinstance(val, dict):
        _fill(getattr(proto, name), val)
    else:
        setattr(proto, name, val)


def _add(repeated: Any, value: Any) -> None:
    """Adds a value, or a message made from a dict, to a repeated field."""
    if isinstance(value, dict):
        _fill(repeated.add(), value)
    else:
        repeated.append(value)


def _fill(message: Message, values: dict[str, Any]) -> None:
    for name, value in values.items():
        assign_proto(message, name, value)


class Top:
    """One top of a layer yet to be made; what other layers take as a bottom."""

    def __init__(self, fn: "Function", n: int) -> None:
        self.fn = fn
        self.n = n

    def to_proto(self) -> Any:
        """The net that makes this top."""
        return to_proto(self)


class Function:
    """A layer yet to be made: its type, its bottoms and its settings."""

    def __init__(self, type_name: str, inputs: Iterable[Top], params: dict[str, Any]) -> None:
        self.type_name = type_name
        self.inputs = tuple(inputs)
        for i, bottom in enumerate(self.inputs):
            if not isinstance(bottom, Top):
                kind = type(bottom)
                raise TypeError(f"{type_name} input {i} is not a Top (type is {kind})")
        self.params = dict(params)
        self.ntop = self.params.pop("ntop", 1)
        self.in_place = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))


class _Namer:
    """Gives the tops and layers without a name one such as `Convolution1`."""

    def __init__(self, names: dict[Any, str]) -> None:
        self.names = dict(names)
        self.counts: Counter[str] = Counter()

    def __call__(self, item: Top | Function) -> str:
        if item not in self.names:
            fn = item.fn if isinstance(item, Top) else item
            self.names[item] = self(fn.tops[0]) if item is fn and fn.tops else self.next(fn)
        return self.names[item]

    def next(self, fn: Function) -> str:
        self.counts[fn.type_name] += 1
        return f"{fn.type_name}{self.counts[fn.type_name]}"


def _bottoms_first(outputs: Iterable[Function]) -> Iterator[Function]:
    """Every function that the outputs need, after those whose tops it takes."""
    stack = [(fn, False) for fn in reversed(list(outputs))]
    done: set[Function] = set()
    while stack:
        fn, is_ready = stack.pop()
        if fn in done:
            continue
        if is_ready:
            done.add(fn)
            yield fn
        else:
            stack.append((fn, True))
            stack.extend((bottom.fn, False) for bottom in reversed(fn.inputs))


def _set_param(layer: Any, name: str, value: Any) -> None:
    """Sets a field of the layer's own settings where they have it, else one of the layer."""
    settings = _SETTINGS.get(layer.type, "")
    own = getattr(layer, settings) if settings else None
    if own is not None and name in own.DESCRIPTOR.fields_by_name:
        assign_proto(own, name, value)
    elif name in layer.DESCRIPTOR.fields_by_name:
        assign_proto(layer, name, value)
    else:
        where = f"{settings} or a LayerParameter" if settings else "a LayerParameter"
        raise AttributeError(f'{layer.type} layer "{layer.name}": no field "{name}" in {where}')


def _net(outputs: Iterable[Function], names: dict[Any, str]) -> Any:
    """The net of these functions and all that they need."""
    net = caffe_pb2.NetParameter()
    name_of = _Namer(names)
    blobs: dict[Top, str] = {}
    for fn in _bottoms_first(outputs):
        layer = net.layer.add(type=fn.type_name, bottom=[blobs[bottom] for bottom in fn.inputs])
        layer.top.extend(layer.bottom if fn.in_place else [name_of(top) for top in fn.tops])
        blobs.update(zip(fn.tops, layer.top, strict=False))
        layer.name = name_of(fn)
        for name, value in fn.params.items():
            _set_param(layer, name, value)
    return net


def to_proto(*tops: Top | Function) -> Any:
    """The NetParameter that makes these tops; blobs and layers get names such as `Convolution1`."""
    return _net([top.fn if isinstance(top, Top) else top for top in tops], {})


class NetSpec:
    """A net whose attributes (or items) are its tops, each named as it is assigned."""

    tops: dict[str, Top | Function]

    def __init__(self) -> None:
        super().__setattr__("tops", {})

    def __setattr__(self, name: str, value: Top | Function) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Top | Function:
        if name == "tops" or name not in self.tops:
            raise AttributeError(f'the net has no top "{name}"')
        return self.tops[name]

    def __delattr__(self, name: str) -> None:
        del self.tops[name]

    def __setitem__(self, name: str, value: Top | Function) -> None:
        self.tops[name] = value

    def __getitem__(self, name: str) -> Top | Function:
        return self.tops[name]

    def __delitem__(self, name: str) -> None:
        del self.tops[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tops

    def to_proto(self) -> Any:
        """The NetParameter of all the tops and what they need."""
        names = {top: name for name, top in self.tops.items()}
        return _net([top.fn if isinstance(top, Top) else top for top in self.tops.values()], names)


class Layers:
    """`layers.X(bottom, ..., field=value)` is the top of a layer of type X, or its several tops.

    `ntop` is their number (with 0 the layer itself is returned); `in_place` reuses the bottoms.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def layer(*args: Top, **kwargs: Any) -> Top | tuple[Top, ...] | Function:
            fn = Function(name, args, kwargs)
            if fn.ntop == 0:
                return fn
            return fn.tops[0] if fn.ntop == 1 else fn.tops

        return layer


class Parameters:
    """`params.Pooling.MAX` is the number of PoolingParameter's enum value MAX."""

    def __getattr__(self, name: str) -> Any:
        return getattr(caffe_pb2, f"{name}Parameter")


_SETTINGS = {stem: f"{field}_param" for stem, field in param_name_dict().items()}

layers = Layers()
params = Parameters()
