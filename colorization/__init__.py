"""Automatic colorization of black-and-white images and films with deep networks."""

__version__ = "0.1.0"
