"""What the examples share: their options and their data, as NumPy arrays and text."""

import argparse
import csv
import gzip
from importlib.resources import files
from pathlib import Path

import numpy as np


def options(description, argv=None):
    """The options that every example has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", default="cpu", help="for example cpu or xla:0")
    parser.add_argument("--quick", action="store_true", help="a smaller run, of a few seconds")
    return parser.parse_args(argv)


def digits(count=None):
    """Handwritten digits: images, float32 ``(count, 1, 8, 8)`` from 0 to 1, and labels, int64."""
    source = files("tensorplug.demo") / "data" / "digits.csv.gz"
    with source.open("rb") as packed, gzip.open(packed, "rt", newline="") as text:
        table = np.array([list(map(int, row)) for row in csv.reader(text)])[:count]
    images = (table[:, :-1] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return images, table[:, -1].copy()


def sonnets():
    """Some lines of Shakespeare as numbers, one per character, and the characters."""
    text = (Path(__file__).parent / "data" / "sonnets.txt").read_text("utf-8")
    characters = sorted(set(text))
    return np.array([characters.index(character) for character in text]), characters
