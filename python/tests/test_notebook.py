"""The notebook draws the curves of a reproduction: its lines have the numbers that the program wrote to fig2.csv."""

import base64
import csv
import json
import os
from collections import defaultdict

import nbclient
import nbformat

from support import PYTHON, InFolder, lastbit

# What the figure shows, after the notebook's own cells.
PROBE = """
import json
drawn = [[line.get_label(), line.get_xdata().tolist(), line.get_ydata().tolist()] for line in axes.get_lines()]
print(json.dumps({"lines": drawn, "areas": len(axes.collections), "scale": axes.get_yscale(), "control": float(control)}))
"""


class Notebook(InFolder):
    @classmethod
    def prepare(cls):
        flags = ["--net", "resnet8", "--activation", "relu", "--dataset", "synthetic", "--batch-size", "8", "--test-limit", "32"]
        lastbit("reproduce", "fig2", "--quick", *flags, "--steps", "6", "--seeds", "1,2", "--out", cls.home / "fig2")

    def executed(self, folder) -> tuple[nbformat.NotebookNode, dict]:
        notebook = nbformat.read(PYTHON / "figure2.ipynb", as_version=4)
        self.assertFalse(any(cell.get("outputs") for cell in notebook.cells), "the notebook is kept without outputs")
        notebook.cells.append(nbformat.v4.new_code_cell(PROBE))
        os.environ["LASTBIT_FIG2"] = str(folder)
        quiet = ["--IPKernelApp.log_level=ERROR"]
        resources = {"metadata": {"path": PYTHON}}
        nbclient.NotebookClient(notebook, timeout=120, resources=resources, extra_arguments=quiet).execute()
        return notebook, json.loads(notebook.cells[-1].outputs[0].text)

    def test_the_figure_has_the_numbers_of_the_reproduction(self):
        notebook, shown = self.executed(self.home / "fig2")
        expected: dict[int, dict[float, float]] = defaultdict(dict)
        with (self.home / "fig2/fig2.csv").open() as file:
            for row in csv.DictReader(file):
                expected[int(row["n"])][float(row["scaled_iteration"])] = float(row["rel_l1_median"])
        self.assertEqual(sorted(expected), [2, 8])
        labels = [label for label, _, _ in shown["lines"]]
        self.assertEqual(labels, ["learning rate 0.05 (n = 2)", "learning rate 0.0125 (n = 8)"])
        for n, (_, x, y) in zip(sorted(expected), shown["lines"], strict=True):
            self.assertEqual(dict(zip(x, y, strict=True)), expected[n])
            self.assertGreater(min(y), 0)
        self.assertEqual((shown["areas"], shown["scale"], shown["control"]), (2, "log", 0.0))
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        self.assertEqual(len(pictures), 1)
        self.assertTrue(base64.b64decode(pictures[0]).startswith(b"\x89PNG"))
        texts = [output.text for output in outputs if "text" in output]
        self.assertTrue(any("control k = 2 from k = 1, in any tensor after any step: 0.0" in text for text in texts), texts)

    def test_a_folder_without_runs_is_named(self):
        with self.assertRaisesRegex(nbclient.exceptions.CellExecutionError, "holds neither a reproduction"):
            self.executed(self.home)
