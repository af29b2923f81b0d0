"""What a comparison shows besides figures: rows of pictures, the worst of each set, a film."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

from colorization.comparison import Comparison, is_film
from colorization.comparison_pictures import (
    Sight,
    Strip,
    even_sample,
    picture_file,
    sights,
    write_strip,
)
from colorization.failure_gallery import FORMS, METRICS, Example, Gallery, Group
from colorization.files import replacing
from colorization.film_report import GridFilm
from colorization.images import eight_bits
from colorization.inputs import find_inputs
from colorization.video import DEFAULT_RATE, open_video

APART = 24  # the worst of a set lie at least this part of all pictures apart


@dataclass(frozen=True)
class Exhibit:
    """An example of the gallery, as the page shows it."""

    label: str
    figure: str
    figures: str
    result: str
    original: str
    width: int
    height: int


@dataclass(frozen=True)
class Views:
    """What the page shows; nothing of it by default."""

    strips: Sequence[Strip] = ()
    gallery: Sequence[tuple[Group, Mapping[str, Sequence[Exhibit]]]] = ()
    film: str | None = None  # relative to the page

    @property
    def columns(self) -> list[str]:
        return [cell.caption for cell in self.strips[0].cells] if self.strips else []

    @property
    def forms(self) -> list:
        return [(group, found) for group, found in self.gallery if group in FORMS]

    @property
    def metrics(self) -> list:
        return [(group, found) for group, found in self.gallery if group in METRICS]


@dataclass
class Viewer:
    """Makes the views of a comparison in one pass over its pictures.

    `pictures` is the number of rows; `film` a film to write, of all pictures in their order, at
    `rate` or that of the ground truth; `gallery` has watched the comparison's rows.
    """

    folder: Path
    truth: Path
    sets: Mapping[str, Path]
    size: int | None = None
    pictures: int = 12
    film: Path | None = None
    rate: Fraction | None = None
    gallery: Gallery | None = None
    watched: Callable = field(default=lambda sights: sights)  # shows the progress

    def views(self, total: int) -> Views:
        """Return the views of a ground truth of `total` pictures, with all files written."""
        chosen, strips = even_sample(total, self.pictures), []
        with ExitStack() as stack:
            film = self.film and stack.enter_context(GridFilm(self.film, self._rate()))
            for sight in self.watched(sights(self.truth, self.sets, self.size)):
                if sight.number in chosen:
                    strips.append(write_strip(self.folder, sight, list(self.sets)))
                if self.gallery:
                    self.gallery.offer(sight)
                if film:
                    film.write(self._frame(sight))
        return Views(strips, self._exhibits(), _relative(self.film, self.folder))

    def _frame(self, sight: Sight) -> list:
        return [
            (caption, None if rgb is None else eight_bits(rgb))
            for caption, rgb in sight.columns(list(self.sets))
        ]

    def _rate(self) -> Fraction:
        """Return the rate that was asked for, or that of the first film, or the default."""
        first = next(iter(find_inputs([str(self.truth)])))
        if self.rate is None and is_film(first):
            with open_video(first) as film:
                return film.rate
        return self.rate or DEFAULT_RATE

    def _exhibits(self) -> list[tuple[Group, dict[str, list[Exhibit]]]]:
        groups = self.gallery.groups() if self.gallery else ()
        return [
            (group, {name: self._write(group, name, found) for name, found in examples.items()})
            for group, examples in groups
        ]

    def _write(self, group: Group, name: str, examples: Sequence[Example]) -> list[Exhibit]:
        """Write the pictures of examples of a set; those shown above have the same names."""
        column = 1 + list(self.sets).index(name)
        exhibits = []
        for example in examples:
            result = picture_file(example.number, column)
            original = picture_file(example.number, 1 + len(self.sets))
            for file, data in ((result, example.result), (original, example.original)):
                with replacing(self.folder / file) as temporary:
                    temporary.write_bytes(data)
            exhibits.append(
                Exhibit(*_texts(group, example), result, original, example.width, example.height)
            )
        return exhibits


def new_gallery(comparison: Comparison, sets: Sequence[str]) -> Gallery:
    """Return a gallery in which the worst of a set lie apart, so that they are not of one shot."""
    return Gallery(sets, apart=max(1, len(comparison) // APART))


def _texts(group: Group, example: Example) -> tuple[str, str, str]:
    figures = example.figures
    rest = "PSNR {psnr:.2f} dB, RMSE {rmse:.4f}, PA {pa:.4f}, colourfulness {colourfulness:.1f}"
    return example.label, group.text.format(figures[group.key]), rest.format(**figures)


def _relative(film: Path | None, folder: Path) -> str | None:
    """Return where a film lies from the page's place; None for one that lies not below it."""
    if film is None or not film.resolve().is_relative_to(folder.resolve()):
        return None
    return quote(film.resolve().relative_to(folder.resolve()).as_posix())
