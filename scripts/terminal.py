"""Progress and tables for a terminal, or for a log file.

Colours and the moving line appear on a terminal only, and NO_COLOR turns colours off
(no-color.org). Standard library only.
"""

import os
import shutil
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW, CYAN = '1', '2', '31', '32', '33', '36'
_SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
_TITLE_WIDTH = 52
# Seconds between signs of life of a long step without a terminal.
_SIGN_OF_LIFE = 20.0


class Terminal:
    """Where the demo writes."""

    def __init__(self, stream: TextIO = sys.stdout):
        self._stream = stream
        self._live = stream.isatty()
        self._coloured = self._live and 'NO_COLOR' not in os.environ

    def style(self, text: str, *codes: str) -> str:
        """Return the text in the given style, or unchanged if the output has no colours."""
        return f'\033[{";".join(codes)}m{text}\033[0m' if self._coloured and codes else text

    def say(self, text: str = '') -> None:
        """Write a line."""
        print(text, file=self._stream, flush=True)

    def heading(self, text: str) -> None:
        """Write a heading with an empty line above and below."""
        self.say(f'\n{self.style(text, BOLD)}\n')

    @contextmanager
    def step(self, title: str) -> Iterator['Step']:
        """Show a step and its seconds while it runs, then how it ended."""
        step = Step(title)
        stop = threading.Event()
        drawing = threading.Thread(target=self._draw, args=(step, stop), daemon=True)
        drawing.start()
        mark = self.style('✗', RED)
        try:
            yield step
            if not step.failed:
                mark = self.style('✓', GREEN)
        finally:
            stop.set()
            drawing.join()
            seconds = f'{step.seconds:7.1f} s'
            self.say(f' {mark} {pad(title, _TITLE_WIDTH)} {self.style(seconds, DIM)}')

    def _draw(self, step: 'Step', stop: threading.Event) -> None:
        if not self._live:
            while not stop.wait(_SIGN_OF_LIFE):
                self.say(f'   … {step.title}: {step.note or "running"} ({step.seconds:.0f} s)')
            return
        frame = 0
        while not stop.wait(0.1):
            frame += 1
            head = f'{pad(step.title, _TITLE_WIDTH)} {step.seconds:7.1f} s  '
            room = shutil.get_terminal_size().columns - width(head) - 4
            note = step.note if len(step.note) <= room else f'{step.note[: max(room - 1, 0)]}…'
            spinner = self.style(_SPINNER[frame % len(_SPINNER)], CYAN)
            self._stream.write(f'\r\033[K {spinner} {head}{self.style(note, DIM)}')
            self._stream.flush()
        self._stream.write('\r\033[K')
        self._stream.flush()

    def table(self, header: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Write a table; a cell is its text and its style (a code, or '')."""
        widths = [
            max(width(text) for text in (title, *(row[column][0] for row in rows)))
            for column, title in enumerate(header)
        ]
        titles = (pad(title, size) for title, size in zip(header, widths, strict=True))
        self.say(f' {self.style("   ".join(titles).rstrip(), BOLD)}')
        for row in rows:
            cells = [
                self.style(pad(text, size), *([code] if code else []))
                for (text, code), size in zip(row, widths, strict=True)
            ]
            self.say(f' {"   ".join(cells).rstrip()}')


class Step:
    """A running step; `note` says what it is doing.

    A step that fails without an exception sets `failed`.
    """

    def __init__(self, title: str):
        self.title = title
        self.note = ''
        self.failed = False
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the step has been running."""
        return time.monotonic() - self._start


def width(text: str) -> int:
    """Return how many columns a text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in 'WF')
        for letter in text
    )


def pad(text: str, columns: int) -> str:
    """Return the text padded with spaces to a number of columns."""
    return text + ' ' * (columns - width(text))
