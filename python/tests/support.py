"""Shared by the tests: the program, runs that take about a second, and the module under test."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

PYTHON = Path(__file__).resolve().parent.parent
ROOT = PYTHON.parent
sys.path.insert(0, str(PYTHON))

SMALL = [
    *["--net", "resnet8", "--width", "0.25", "--dataset", "synthetic", "--batch-size", "8"],
    *["--train-limit", "64", "--test-limit", "16", "--ks", "1,3,2"],
]


def program() -> Path:
    """The program that LASTBIT names, else the one on the PATH, else the one that Cargo built."""
    found = os.environ.get("LASTBIT") or shutil.which("lastbit") or ROOT / "target/debug/lastbit"
    return Path(found).resolve()


def lastbit(*arguments: str | Path) -> str:
    """Runs the program and returns its output."""
    ended = subprocess.run([program(), *arguments], capture_output=True, text=True)
    if ended.returncode != 0:
        raise AssertionError(f"lastbit {arguments} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout


class InFolder(unittest.TestCase):
    """Tests with a folder that `prepare` fills once."""

    home: Path

    @classmethod
    def setUpClass(cls) -> None:
        folder: Any = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.home = Path(folder.name)
        cls.prepare()

    @classmethod
    def prepare(cls) -> None:
        """Fills the folder."""
