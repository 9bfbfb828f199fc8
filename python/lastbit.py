"""Reads the run folders of lastbit as numpy arrays.

`Run("runs/first")` is one run; `reproduction("runs/fig2")` gives the runs of a reproduction by name. Files are read when they are first
asked for. Letters of shapes: R replicas in the order of `ks`, L lines of one kind in `metrics.jsonl`, T measured tensors, N test images,
K classes. A number that is not finite is NaN.
"""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__ = "0.1.0"
__all__ = ["DataError", "Run", "reproduction", "safetensors"]

Columns = dict[str, NDArray[Any]]
_WHOLE_NUMBERS = {"step", "epoch", "steps", "replica", "products", "max_ulp", "differing"}
_DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "|u1", "U32": "<u4", "U64": "<u8"}


class DataError(ValueError):
    """A file or folder that is missing or damaged. The message names it."""


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while `path` is read into a `DataError`."""
    try:
        yield
    except DataError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"'{path}' is missing") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"'{path}' is damaged: {error or repr(error)}") from error


def _column(lines: list[dict[str, Any]], key: str) -> NDArray[Any]:
    return np.array([line[key] for line in lines], np.int64 if key in _WHOLE_NUMBERS else np.float64)


def safetensors(path: str | Path) -> Columns:
    """The tensors of a safetensors file by name. They are mapped into memory, read only."""
    with _reading(Path(path)):
        file = np.memmap(path, np.uint8, "r")
        begin = 8 + int(file[:8].view("<u8")[0])
        header: dict[str, Any] = json.loads(file[8:begin].tobytes())
        header.pop("__metadata__", None)
        spans = {name: slice(*(begin + offset for offset in entry["data_offsets"])) for name, entry in header.items()}
        return {name: file[spans[name]].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"]) for name, entry in header.items()}


class Run:
    """A run of `lastbit train`, or one part of a run in parts. Raises `DataError` if `path` is not its folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if any((self.path / name).is_file() for name in ("reproduce.toml", "parts.toml")):
            raise DataError(f"'{self.path}' holds several runs: lastbit.reproduction() gives them by name")
        with _reading(self.path / "config.toml"):
            #: The keys of `config.toml`: all that is needed to train the run again.
            self.config: dict[str, Any] = tomllib.loads((self.path / "config.toml").read_text(encoding="utf-8"))
            #: Divisor k of each replica.
            self.ks: list[int] = [int(k) for k in self.config["ks"]]

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _json(self, name: str) -> dict[str, Any]:
        with _reading(self.path / name):
            return dict(json.loads((self.path / name).read_bytes()))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """`manifest.json`: program, adapter, images and config."""
        return self._json("manifest.json")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """`summary.json`: `finished`, `step`, `fingerprints`, `control` and the last lines."""
        return self._json("summary.json")

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done. A run that has not saved yet has no summary."""
        return (self.path / "summary.json").exists() and self.summary.get("finished") is True

    @cached_property
    def _lines(self) -> dict[str, list[dict[str, Any]]]:
        """The lines of `metrics.jsonl` by kind. An unfinished last line, as a killed run leaves it, does no harm."""
        lines: dict[str, list[dict[str, Any]]] = {"step": [], "layers": [], "epoch": [], "curvature": [], "growth": []}
        path = self.path / "metrics.jsonl"
        with _reading(path), path.open("rb") as file:
            for number, text in enumerate(file, 1):
                try:
                    line = json.loads(text)
                    lines[line["kind"]].append(line)
                except (KeyError, TypeError, ValueError) as error:
                    if text.endswith(b"\n"):
                        raise DataError(f"'{path}' is damaged: line {number} cannot be read") from error
        return lines

    def _columns(self, kind: str, common: list[str], of_replicas: list[str]) -> Columns:
        lines = self._lines[kind]
        with _reading(self.path / "metrics.jsonl"):
            columns = {key: _column(lines, key) for key in common}
            return columns | {key: _column(lines, key).reshape(len(lines), len(self.ks)).T for key in of_replicas}

    @cached_property
    def steps(self) -> Columns:
        """The `step` lines: `step`, `epoch`, `lr` [L]; `loss`, `rel_l1`, `max_ulp`, `differing` [R, L]."""
        return self._columns("step", ["step", "epoch", "lr"], ["loss", "rel_l1", "max_ulp", "differing"])

    @cached_property
    def epochs(self) -> Columns:
        """The `epoch` lines: `epoch`, `step`, `lr` [L]; `train_loss`, `test_loss`, in percent `train_accuracy`, `test_accuracy` [R, L]."""
        return self._columns("epoch", ["epoch", "step", "lr"], ["train_loss", "train_accuracy", "test_loss", "test_accuracy"])

    @cached_property
    def growth(self) -> Columns:
        """The `growth` lines of `--lyapunov`: `step`, `steps` [L]; `growth` [R, L], natural logarithm of the growth over `steps` steps."""
        return self._columns("growth", ["step", "steps"], ["growth"])

    @cached_property
    def curvature(self) -> Columns:
        """The `curvature` lines of `--sharpness`, every key [L]: `step`, `lr`, `replica`, `lambda_max`, `batch_sharpness`, ..."""
        keys = [key for key in (self._lines["curvature"] or [{}])[0] if key not in ("kind", "nonfinite")]
        return self._columns("curvature", keys, [])

    @cached_property
    def tensors(self) -> list[str]:
        """Names of the measured tensors, in the network's order; empty if the run has no `layers` line."""
        with _reading(self.path / "metrics.jsonl"):
            return list(self._lines["layers"][0]["rel_l1"]) if self._lines["layers"] else []

    @cached_property
    def layers(self) -> Columns:
        """The `layers` lines: `step` [L]; `rel_l1` [R, L, T]; `fingerprint` [R, L], text; `weight` [R, L], the first weight."""
        shape = (-1, len(self.ks))
        with _reading(self.path / "metrics.jsonl"):
            # A run that is under way may lack the lines of the last replicas.
            lines = self._lines["layers"][: len(self._lines["layers"]) // len(self.ks) * len(self.ks)]
            if any(line["replica"] != index % len(self.ks) for index, line in enumerate(lines)):
                raise ValueError("'layers' lines are missing or out of order")
            rel_l1 = [[line["rel_l1"][name] for name in self.tensors] for line in lines]
            bits = np.array([int(line.get("weight", "7fc00000"), 16) for line in lines], np.uint32)
            return {
                "step": _column(lines, "step").reshape(shape)[:, 0],
                "rel_l1": np.array(rel_l1, np.float64).reshape(*shape, len(self.tensors)).swapaxes(0, 1),
                "fingerprint": np.array([line["fingerprint"] for line in lines], np.str_).reshape(shape).T,
                "weight": bits.view(np.float32).reshape(shape).T,
            }

    @property
    def checkpoints(self) -> list[int]:
        """Steps of the checkpoints that the folder holds, rising."""
        return sorted(int(folder.name[5:]) for folder in self.path.glob("checkpoint/step-*"))

    def weights(self, replica: int = 0, step: int | None = None) -> Columns:
        """Weights of a replica by torchvision's names, after `step` steps (`None`: the newest checkpoint; 0: the initial weights)."""
        if step == 0:
            return safetensors(self.path / "init.safetensors")
        if step is None and not self.checkpoints:
            raise DataError(f"'{self.path}' holds no checkpoint")
        step = self.checkpoints[-1] if step is None else step
        return safetensors(self.path / f"checkpoint/step-{step:06}/r{replica}-k{self.ks[replica]}.safetensors")

    def logits(self, step: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Logits [R, N, K] and labels [N] of the test images after `step` steps, of a run with `--keep-logits`."""
        path = self.path / f"logits/step-{step:06}.safetensors"
        with _reading(path):
            file = safetensors(path)
            return file["logits"], file["labels"]


def reproduction(path: str | Path) -> dict[str, Run]:
    """The runs of a reproduction (`n2-seed1`, ...), or the parts of a run in parts (`part-0`, ...), by name."""
    folders = [file.parent for pattern in ("runs/*/config.toml", "part-*/config.toml") for file in Path(path).glob(pattern)]
    if not folders:
        raise DataError(f"'{path}' holds neither a reproduction that trains networks nor a run in parts")
    return {folder.name: Run(folder) for folder in sorted(folders)}
