"""Colour conversion."""

from colorization.array_namespace import array_namespace
from colorization.colour import sRGB_to_Lab
from layers.base import ArrayLayer, check_channels


class BGRToLab(ArrayLayer):
    """Turns pictures as Caffe's data layers deliver them into CIE Lab.

    Bottom: (N, 3, H, W), sRGB planes in the order B, G, R, 0..255. Top: (N, 3, H, W), planes L in
    0..100, a and b within -110..110. No gradient. (Thesis, section 7.4.)
    """

    def top_shape(self, bgr):
        return check_channels(bgr, 3)

    def forward(self, bottom, top):
        bgr = bottom[0].data
        rgb = array_namespace(bgr).flip(bgr, (1,))
        top[0].data[...] = sRGB_to_Lab(rgb / 255, axis=1)
