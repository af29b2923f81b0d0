"""Counting the floating-point operations of a net's matrix layers from the shapes of its blobs."""

PASSES = 3  # of a training step: forward, gradient of the bottoms, gradient of the weights


def forward_flops(net) -> int:
    """Multiplications and additions, each counted, of one forward pass of a net.

    Counted are Convolution, Deconvolution and InnerProduct, without biases: nearly all of what the
    networks here compute. With W the stored weights, a Convolution makes each
    element of its top from |W| / num_output products, a Deconvolution spreads each element of its
    bottom to |W| / channels places, an InnerProduct uses every weight once for each item.
    """
    counts = zip(net.layers, net.bottoms, net.tops)
    return sum(_layer_flops(layer, bottoms, tops) for layer, bottoms, tops in counts)


def training_flops(net) -> int:
    """Operations of a forward and a backward pass: each product comes back in two gradients.

    The gradient of the net's input, which nobody asks for, is counted too: it is 0.1 % of plain's.
    """
    return PASSES * forward_flops(net)


def _layer_flops(layer, bottoms: list, tops: list) -> int:
    if layer.type == "Convolution":
        return sum(2 * top.count * layer.blobs[0].count // layer.top_channels for top in tops)
    if layer.type == "Deconvolution":
        weights = layer.blobs[0].count
        return sum(2 * bottom.count * weights // layer.channels for bottom in bottoms)
    if layer.type == "InnerProduct":
        outputs = layer.param.inner_product_param.num_output
        return 2 * layer.blobs[0].count * tops[0].count // outputs
    return 0
