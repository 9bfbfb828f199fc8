"""`lastbit export`: other programs read CSV and Parquet as the same table, and it has the numbers of the reader."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from support import SMALL, InFolder, lastbit as run_program
from lastbit import Run


class Export(InFolder):
    @classmethod
    def prepare(cls):
        # The large rate ends in numbers that are not finite.
        for name, flags in [("run", ["--sharpness", "4"]), ("lost", ["--lr", "1e30"])]:
            run_program("train", *SMALL, "--steps", "9", *flags, "--out", cls.home / name)
            for form in ("csv", "parquet"):
                run_program("export", cls.home / name, f"--{form}", "--out", cls.home / f"{name}.{form}")

    def test_parquet_and_csv_are_one_table(self):
        schema = {"step": pa.int64(), "replica": pa.int32(), "k": pa.int32()}
        schema |= {"tensor": pa.string(), "quantity": pa.string(), "value": pa.float64()}
        for name in ("run", "lost"):
            parquet = pyarrow.parquet.read_table(self.home / f"{name}.parquet")
            self.assertEqual({field.name: field.type for field in parquet.schema}, schema)
            # As users read it: types are inferred, an empty tensor is null.
            options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
            csv = pyarrow.csv.read_csv(self.home / f"{name}.csv", convert_options=options)
            self.assertEqual(csv.column_names, parquet.column_names)
            for column in ("step", "replica", "k", "tensor", "quantity"):
                self.assertEqual(csv[column].to_pylist(), parquet[column].to_pylist(), column)
            self.assertEqual(csv["value"].type, pa.float64())
            np.testing.assert_array_equal(csv["value"].to_numpy(), parquet["value"].to_numpy())
            self.assertEqual(bool(np.isnan(parquet["value"].to_numpy()).any()), name == "lost")

    def test_rows_have_the_numbers_of_the_reader(self):
        run, table = Run(self.home / "run"), pyarrow.parquet.read_table(self.home / "run.parquet")
        whole = pc.is_null(table["tensor"])

        def values(quantity: str, replica: int, rows) -> list[float]:
            chosen = pc.and_(pc.equal(table["quantity"], quantity), pc.equal(table["replica"], replica))
            return table.filter(pc.and_(chosen, rows))["value"].to_pylist()

        for replica in range(3):
            of_replicas = [(run.steps, key) for key in ("loss", "rel_l1", "max_ulp", "differing")]
            of_replicas += [(run.epochs, key) for key in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")]
            for columns, key in of_replicas:
                self.assertEqual(values(key, replica, whole), columns[key][replica].tolist(), key)
            self.assertEqual(values("lr", replica, whole), run.steps["lr"].tolist())
            for index, tensor in enumerate(run.tensors):
                of_tensor = pc.fill_null(pc.equal(table["tensor"], tensor), False)
                self.assertEqual(values("rel_l1", replica, of_tensor), run.layers["rel_l1"][replica, :, index].tolist())
            weights = np.array(values("weight", replica, pc.is_valid(table["tensor"])), np.float32)
            np.testing.assert_array_equal(weights, run.layers["weight"][replica])
        self.assertEqual(values("lambda_max", 0, whole), run.curvature["lambda_max"].tolist())
        keys = zip(*(table[column].to_pylist() for column in ("step", "replica", "tensor", "quantity")))
        self.assertEqual(len(set(keys)), table.num_rows, "a row is known by step, replica, tensor and quantity")
