"""Which kinds of files are read and written, by their suffixes."""

FORMATS = {
    ".bmp": "BMP",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}  # of the images that are written, with Pillow's names
IMAGE_SUFFIXES = (
    *FORMATS,
    *(".apng", ".avif", ".dib", ".gif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpf"),
    *(".jpx", ".pbm", ".pcx", ".pgm", ".pnm", ".ppm", ".qoi", ".sgi", ".tga"),
)  # what is looked for in folders

CONTAINERS = {
    ".m4v": "mp4",
    ".mkv": "matroska",
    ".mov": "mov",
    ".mp4": "mp4",
    ".webm": "webm",
}  # of the films that are written, with FFmpeg's names
FILM_SUFFIXES = (
    *CONTAINERS,
    *(".3gp", ".avi", ".flv", ".m2ts", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".wmv"),
)  # what is looked for in folders
