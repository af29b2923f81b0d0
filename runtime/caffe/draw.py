"""Drawings of nets: layers and blobs as a graph for Graphviz, by way of pydot (both optional)."""

import os

from . import graph
from .errors import CaffeError
from .files import replacing
from .proto import caffe_pb2

LAYER_STYLE_DEFAULT = {"shape": "record", "fillcolor": "#6495ED", "style": "filled"}
NEURON_LAYER_STYLE = {"shape": "record", "fillcolor": "#90EE90", "style": "filled"}
BLOB_STYLE = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}
COLORS = {
    "Convolution": "#FF5050",
    "Deconvolution": "#FF5050",
    "Pooling": "#FF9900",
    "InnerProduct": "#CC33FF",
}
_CONVOLUTIONS = ("Convolution", "Deconvolution")
_LEARNING = (*_CONVOLUTIONS, "InnerProduct")
_NO_LABEL = '""'


def get_pooling_types_dict() -> dict:
    """Number of a pooling method -> its name."""
    return {number: name for name, number in caffe_pb2.PoolingParameter.PoolMethod.items()}


def get_edge_label(layer) -> str:
    """What stands at the edge from a layer to its tops: batch size or number of outputs."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in _CONVOLUTIONS:
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return _NO_LABEL


def get_layer_lr_mult(layer) -> tuple:
    """The learning rate multipliers of a layer's weights and bias."""
    if layer.type not in _LEARNING:
        raise ValueError(f"{layer.type} layers do not have a learning rate multiplier")
    given = tuple(spec.lr_mult for spec in layer.param)
    if len(given) > 2:
        raise ValueError(f'layer "{layer.name}" has {len(given)} param entries, expected 2 at most')
    return given + (1.0, 1.0)[len(given) :]


def get_layer_label(layer, rankdir: str, display_lrm: bool = False) -> str:
    """A layer's name, type and shape of kernel, in lines unless the graph runs up or down."""
    method, lines = "", []
    if layer.type == "Pooling":
        param = layer.pooling_param
        method = f" {get_pooling_types_dict()[param.pool]}"
        lines = _kernel_lines(param.kernel_size, param.stride, param.pad)
    elif layer.type in _CONVOLUTIONS:
        param = layer.convolution_param
        values = (
            (list(field) or [default])[0]
            for field, default in ((param.kernel_size, 1), (param.stride, 1), (param.pad, 0))
        )
        lines = _kernel_lines(*values)
    if display_lrm and layer.type in _LEARNING:
        weights, bias = get_layer_lr_mult(layer)
        lines.append(f"lr mult: {weights}, {bias}")
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    text = separator.join([layer.name, f"({layer.type}{method})", *lines])
    return f'"{text}"'


def _kernel_lines(kernel: int, stride: int, pad: int) -> list:
    return [f"kernel size: {kernel}", f"stride: {stride}", f"pad: {pad}"]


def choose_color_by_layertype(layertype: str) -> str:
    """The colour of layers of a type."""
    return COLORS.get(layertype, LAYER_STYLE_DEFAULT["fillcolor"])


def get_pydot_graph(
    caffe_net, rankdir: str, label_edges: bool = True, phase=None, display_lrm: bool = False
):
    """A pydot graph of a NetParameter, of the layers of `phase` alone if one is given."""
    pydot = _pydot()
    drawing = pydot.Dot(caffe_net.name or "Net", graph_type="digraph", rankdir=rankdir)
    nodes, edges = {}, []
    for layer in _layers(caffe_net, phase):
        label = get_layer_label(layer, rankdir, display_lrm)
        name = f"{layer.name}_{layer.type}"
        nodes[name] = pydot.Node(label, **_layer_style(layer))
        for bottom in layer.bottom:
            nodes[f"{bottom}_blob"] = pydot.Node(bottom, **BLOB_STYLE)
            edges.append((f"{bottom}_blob", name, _NO_LABEL))
        for top in layer.top:  # octagons are the blobs that a later layer takes
            nodes[f"{top}_blob"] = pydot.Node(top)
            edges.append((name, f"{top}_blob", get_edge_label(layer) if label_edges else _NO_LABEL))
    for node in nodes.values():
        drawing.add_node(node)
    for source, target, label in edges:
        drawing.add_edge(pydot.Edge(nodes[source], nodes[target], label=label))
    return drawing


def _layers(net, phase):
    """The layers of a net, or those of one phase."""
    if phase is None:
        return net.layer
    in_phase = caffe_pb2.NetParameter()
    in_phase.CopyFrom(net)
    in_phase.state.phase = phase
    return graph.filter_net(in_phase)[0].layer


def _layer_style(layer) -> dict:
    if len(layer.bottom) == 1 and list(layer.bottom) == list(layer.top):
        return NEURON_LAYER_STYLE
    return {**LAYER_STYLE_DEFAULT, "fillcolor": choose_color_by_layertype(layer.type)}


def draw_net(
    caffe_net, rankdir: str, ext: str = "png", phase=None, display_lrm: bool = False
) -> bytes:
    """The drawing of a net as the content of a file of type `ext`: png, svg, pdf, raw (dot)."""
    drawing = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm)
    return drawing.create(format=ext)


def draw_net_to_file(
    caffe_net, filename, rankdir: str = "LR", phase=None, display_lrm: bool = False
) -> None:
    """Writes the drawing of a net to a file, of the type that its name ends in."""
    ext = os.path.splitext(filename)[1].removeprefix(".")
    if not ext:
        raise CaffeError(f"{filename}: has no extension, expected one such as .png")
    content = draw_net(caffe_net, rankdir, ext, phase, display_lrm)
    with replacing(filename) as temporary, open(temporary, "wb") as file:
        file.write(content)


def _pydot():
    """The module pydot; CaffeError if it is not installed."""
    try:
        import pydot
    except ImportError:
        raise CaffeError("drawing nets needs pydot, which is not installed") from None
    return pydot
