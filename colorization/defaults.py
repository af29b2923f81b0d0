"""What the commands and the library take where nothing else is said; imports nothing."""

DEFAULT_NETWORK = "residual_quarter"  # its weights come along
WORKING_SIZE = (224, 224)  # rows, columns of what a network sees: what the networks are trained on
BATCH = 8  # images at once
DECODERS = ("expectation", "annealed_mean", "mode", "sample")
TEMPERATURE = 0.38  # of the annealed mean (Zhang et al. 2016)
CRF = 14  # of films: with the preset veryfast the PSNR of medium's 16, in a quarter of its time
DEPTH = 8  # bits a channel of films: what every player shows
DEPTHS = (8, 10)
MEAN = "RGB"  # of ensembles: what they are averaged in
STRENGTH = 0.85  # of steadying: weight of the frame before, relative to that of the frame itself
AHEAD = 6  # frames that steadying waits for
