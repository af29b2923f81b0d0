"""Class rebalancing (thesis, section 5.3)."""

from colorization.histogram import Q
from colorization.rebalancing import class_weights, load_prior, pixel_weights
from colorization.resources import resource
from layers.base import ArrayLayer, check_channels


class ClassRebalance(ArrayLayer):
    """Looks up the weight v of each pixel's colour, see `pixel_weights`.

    Bottom: encoded colours (N, 313, H, W). Top: (N, 1, H, W), for `KLLoss`. No gradient.
    `param_str`: {"prior": file, "lambda": 0.5}; the file is looked for in the working directory,
    then in the shared resources.
    """

    parameters = {"prior": str, "lambda": 0.5}

    def prepare(self):
        prior = load_prior(resource(self.params["prior"]))
        self.weights = class_weights(prior, self.params["lambda"])

    def top_shape(self, histogram):
        N, _, H, W = check_channels(histogram, Q)
        return N, 1, H, W

    def forward(self, bottom, top):
        top[0].data[...] = pixel_weights(bottom[0].data, self.weights)
