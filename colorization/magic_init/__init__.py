"""Data-dependent initialisation of a net's filters, after Kraehenbuehl et al. (arXiv 1511.06856).

`magic_init` takes a train net with its own data and gives every Convolution, Deconvolution and
InnerProduct (the paper's affine layers) filters that follow from what the layer sees.

Within layers (the paper's Algorithm 1). Layer by layer in the order of the net, filters w are made
from windows of the layer's input at random places (`filters`), and each unit y = w x + b is brought
to standard deviation 1 over all the data seen and, where the layer has a bias, to the mean beta:

    w <- w / std(y),    b <- (b - mean(y)) / std(y) + beta.

Rounds go on with more data: whole batches run through the net, and each layer in turn is brought to
deviation 1 and mean beta over all that it has seen by then.

Between layers (Algorithm 2). The relative rate of change of layer k is

    C_k = sqrt(E |dl / dW_k|^2) / |W_k|,    E over batches.

The paper multiplies W_k by r_k and divides W_{k+1} by r_k until all C_k agree. That gives up the
deviations that Algorithm 1 has made, and in front of a BatchNorm nothing behind it would notice.
Here a scale changes only where the net's function and all deviations stay as they are: gamma and
beta of a Scale layer are multiplied by s, and the filters that read its top, directly or through
layers f with f(s x) = s f(x) (ReLU, Eltwise, Pooling, Concat, ...), are divided by s. This
multiplies their C_k by s^2 and leaves all others, so

    s^2 = geometric mean of C_k over the layers without such a scale / that over these layers.

A net without Scale layers has no scale left to choose: the deviations of 1 fix them all.

Predictions (ours). The mean of a unit that the loss reads is the constant for which the loss is
least (`targets`), instead of beta: otherwise the first iterations do nothing but learn it.

Only the interface of pycaffe is used, so this runs on genuine Caffe as well.
"""

from colorization.magic_init.errors import MagicInitError
from colorization.magic_init.method import Summary, magic_init

__all__ = ["MagicInitError", "Summary", "magic_init"]
