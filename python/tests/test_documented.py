"""The examples of the documents: each one runs as it stands, and finds the numbers of the run."""

import contextlib
import io
import re

import duckdb
import matplotlib
import numpy as np
import pandas
import polars

from support import ROOT, SMALL, InFolder, lastbit as run_program
from lastbit import Run


def examples(document: str, language: str) -> list[str]:
    """The code blocks of a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


class Documented(InFolder):
    @classmethod
    def prepare(cls):
        matplotlib.use("Agg")
        first, flags = cls.home / "runs/first", [*SMALL[:-1], "1,3,2,1"]
        run_program("train", *flags, "--steps", "100", "--out", first)
        for form in ("csv", "parquet"):
            run_program("export", first, f"--{form}", "--out", cls.home / f"first.{form}")
        small = ["--net", "resnet8", "--dataset", "synthetic", "--batch-size", "8", "--test-limit", "16", "--steps", "2"]
        run_program("reproduce", "fig2", "--quick", *small, "--out", cls.home / "runs/fig2")
        cls.run_of_first = Run(first)

    def setUp(self):
        self.enterContext(contextlib.chdir(self.home))

    def executed(self, code: str) -> dict:
        names: dict = {}
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(code, "the example", "exec"), names)
        return names | {"output": output.getvalue()}

    def test_pandas_and_polars_find_the_distances(self):
        of_pandas, of_polars, _ = examples("docs/DATA.md", "python")
        expected = self.run_of_first.steps["rel_l1"].T
        rows = self.executed(of_pandas)["rows"]
        self.assertIsInstance(rows, pandas.DataFrame)
        np.testing.assert_array_equal(rows.pivot(index="step", columns="replica", values="value").to_numpy(), expected)
        rows = self.executed(of_polars)["rows"].collect()
        self.assertIsInstance(rows, polars.DataFrame)
        np.testing.assert_array_equal(rows.pivot("replica", index="step", values="value").drop("step").to_numpy(), expected)

    def test_sql_finds_the_tensors(self):
        (query,) = examples("docs/DATA.md", "sql")
        found = duckdb.sql(query).fetchall()
        (at,) = np.flatnonzero(self.run_of_first.layers["step"] == 100)
        distances = self.run_of_first.layers["rel_l1"][1, at]
        self.assertEqual(sorted(found), sorted(zip(self.run_of_first.tensors, distances.tolist(), strict=True)))
        self.assertEqual([value for _, value in found], sorted(distances.tolist(), reverse=True))

    def test_the_reader_is_as_shown(self):
        *_, brief = examples("docs/DATA.md", "python")
        (whole,) = examples("python/README.md", "python")
        self.assertIn("conv1.weight", self.executed(brief)["run"].weights(replica=1))
        shown = self.executed(whole)
        self.assertIn("n2-seed1 0.05 True\n", shown["output"])
        self.assertEqual(self.run_of_first.ks, [1, 3, 2, 1])
