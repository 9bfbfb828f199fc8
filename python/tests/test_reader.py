"""The reader gives the numbers of real runs, and one clear message for what is missing or damaged."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np

from support import SMALL, InFolder, lastbit as run_program
from lastbit import DataError, Run, reproduction, safetensors


def lines_of(run: Path, kind: str) -> list[dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


class Reader(InFolder):
    @classmethod
    def prepare(cls):
        flags = ["--steps", "12", "--log-every", "3", "--sharpness", "4", "--keep-logits", "--checkpoint-every", "5steps"]
        run_program("train", *SMALL, *flags, "--out", cls.home / "run")
        growth = ["--ks", "1,1", "--lyapunov", "2", "--lyapunov-distances", "0.01", "--steps", "4"]
        run_program("train", *SMALL[:-2], *growth, "--out", cls.home / "growth")
        run_program("train", *SMALL, "--lr", "1e30", "--steps", "4", "--out", cls.home / "lost")
        parts = ["--ks", "1,3,5", "--adapters", "processor,processor", "--steps", "2"]
        run_program("train", *SMALL[:-2], *parts, "--out", cls.home / "parts")

    def setUp(self):
        self.run_folder = self.home / "run"
        self.run_data = Run(self.run_folder)

    def damaged(self, file: str, before: bytes, after: bytes) -> Run:
        """The run with one change in one of its files."""
        copy = self.home / "damaged"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.run_folder, copy)
        content = (copy / file).read_bytes()
        self.assertIn(before, content)
        (copy / file).write_bytes(content.replace(before, after, 1))
        return Run(copy)

    def test_config_manifest_and_summary(self):
        run = self.run_data
        self.assertEqual((run.ks, run.config["net"], run.config["batch-size"]), ([1, 3, 2], "resnet8", 8))
        self.assertEqual(run.manifest["network"]["name"], "resnet8")
        self.assertEqual((run.is_finished, run.summary["step"]), (True, 12))
        self.assertFalse(self.damaged("summary.json", b'"finished": true', b'"finished": false').is_finished)

    def test_columns_have_every_line(self):
        for kind, columns, n_lines in [("step", self.run_data.steps, 12), ("epoch", self.run_data.epochs, 2)]:
            lines = lines_of(self.run_folder, kind)
            self.assertEqual(len(lines), n_lines)
            for key, column in columns.items():
                expected = np.array([line[key] for line in lines])
                np.testing.assert_array_equal(column, expected.T, err_msg=key)
            self.assertEqual(set(columns), set(lines[0]) - {"kind"})
        self.assertEqual(self.run_data.steps["differing"].dtype, np.int64)
        self.assertGreater(self.run_data.steps["differing"][1].max(), 0)
        self.assertEqual(self.run_data.steps["differing"][2].max(), 0)

    def test_layers_curvature_and_growth(self):
        run, lines = self.run_data, lines_of(self.run_folder, "layers")
        self.assertEqual(run.layers["rel_l1"].shape, (3, len(lines) // 3, len(run.tensors)))
        for index, line in enumerate(lines):
            at = (line["replica"], index // 3)
            self.assertEqual(list(line["rel_l1"]), run.tensors)
            np.testing.assert_array_equal(run.layers["rel_l1"][at], list(line["rel_l1"].values()))
            self.assertEqual(run.layers["fingerprint"][at], line["fingerprint"])
            self.assertEqual(run.layers["weight"][at].tobytes().hex(), bytes.fromhex(line["weight"])[::-1].hex())
            self.assertEqual(run.layers["step"][index // 3], line["step"])
        curvature = lines_of(self.run_folder, "curvature")
        self.assertEqual(run.curvature["step"].tolist(), [0, 4, 8, 12])
        for key in ("lambda_max", "products", "loss"):
            self.assertEqual(run.curvature[key].tolist(), [line[key] for line in curvature])
        growth, lines = Run(self.home / "growth").growth, lines_of(self.home / "growth", "growth")
        self.assertEqual((growth["step"].tolist(), growth["steps"].tolist()), ([2, 4], [2, 2]))
        self.assertEqual(growth["growth"].T.tolist(), [line["growth"] for line in lines])
        self.assertEqual((run.growth["step"].shape, run.growth["growth"].shape), ((0,), (3, 0)))

    def test_numbers_that_are_not_finite_are_nan(self):
        run = Run(self.home / "lost")
        nulls = [[value is None for value in line["loss"]] for line in lines_of(run.path, "step")]
        self.assertTrue(np.any(nulls))
        np.testing.assert_array_equal(np.isnan(run.steps["loss"]).T, nulls)

    def test_weights_and_logits(self):
        run = self.run_data
        self.assertEqual(run.checkpoints, [10, 12])
        for weights, path in [
            (run.weights(1), "checkpoint/step-000012/r1-k3.safetensors"),
            (run.weights(2, step=10), "checkpoint/step-000010/r2-k2.safetensors"),
            (run.weights(step=0), "init.safetensors"),
        ]:
            content = (run.path / path).read_bytes()
            (length,) = struct.unpack("<Q", content[:8])
            header = json.loads(content[8 : 8 + length])
            header.pop("__metadata__", None)
            self.assertEqual(set(weights), set(header))
            for name, entry in header.items():
                begin, end = (8 + length + offset for offset in entry["data_offsets"])
                self.assertEqual(weights[name].tobytes(), content[begin:end])
                self.assertEqual((weights[name].shape, weights[name].dtype), (tuple(entry["shape"]), np.float32))
        first = run.weights(1)[run.tensors[0]].ravel()[0]
        self.assertEqual(first, run.layers["weight"][1, -1])
        logits, labels = run.logits(12)
        self.assertEqual((logits.shape, labels.shape), ((3, 16, 10), (16,)))
        accuracy = (logits.argmax(axis=2) == labels).mean(axis=1) * 100
        np.testing.assert_allclose(accuracy, run.epochs["test_accuracy"][:, -1], rtol=1e-12)

    def test_several_runs(self):
        parts = reproduction(self.home / "parts")
        self.assertEqual({name: part.ks for name, part in parts.items()}, {"part-0": [1, 3], "part-1": [1, 5]})
        with self.assertRaisesRegex(DataError, "holds several runs: lastbit.reproduction"):
            Run(self.home / "parts")

    def test_missing_and_damaged_files_are_named(self):
        def refused(message: str, read) -> None:
            with self.assertRaisesRegex(DataError, message) as caught:
                read()
            self.assertNotIn("\n", str(caught.exception))

        refused("nowhere/config.toml' is missing", lambda: Run(self.home / "nowhere"))
        refused("run' holds neither", lambda: reproduction(self.run_folder))
        refused("config.toml' is damaged", lambda: self.damaged("config.toml", b"ks = [1, 3, 2]", b"ks = [1, 3, 2"))
        refused("config.toml' is damaged", lambda: self.damaged("config.toml", b"ks = ", b"sk = "))
        metrics = "metrics.jsonl"
        number = next(i for i, line in enumerate((self.run_folder / metrics).read_text().splitlines(), 1) if '"step":2,' in line)
        refused(f"{metrics}' is damaged: line {number} ", lambda: self.damaged(metrics, b'"step":2,', b'"step":x,').steps)
        refused(f"{metrics}' is damaged", lambda: self.damaged(metrics, b'"differing":[', b'"differing":[0,').steps)
        refused(f"{metrics}' is damaged", lambda: self.damaged(metrics, b'"replica":1,"k":3', b'"replica":2,"k":3').layers)
        refused(f"{metrics}' is damaged", lambda: self.damaged(metrics, b'"weight":"', b'"weight":"x').layers)
        refused("manifest.json' is damaged", lambda: self.damaged("manifest.json", b"{", b"").manifest)
        init = "init.safetensors"
        refused(f"{init}' is damaged", lambda: self.damaged(init, b'"F32"', b'"F99"').weights(step=0))
        refused("step-000099/r0-k1.safetensors' is missing", lambda: self.run_data.weights(step=99))
        refused("step-000099.safetensors' is missing", lambda: self.run_data.logits(99))
        short = self.home / "short.safetensors"
        whole = (self.run_folder / init).read_bytes()
        for length in (0, 7, 100, len(whole) - 1):
            short.write_bytes(whole[:length])
            refused("short.safetensors' is damaged", lambda: safetensors(short))

    def test_an_unfinished_last_line_is_harmless(self):
        run = self.damaged("summary.json", b"{", b"{")
        with (run.path / "metrics.jsonl").open("ab") as file:
            file.write(b'{"kind":"step","st')
        self.assertEqual(run.steps["step"].tolist(), list(range(1, 13)))
