"""What the files of a data set are called."""

TRAIN, VAL, TEST = SETS = ("train", "val", "test")
PRIOR = "train_priors.npy"  # the mean histogram of the training set


def lmdb_name(of_set: str) -> str:
    """Return the name of the LMDB with the images of a set."""
    return f"{of_set}_lmdb"
