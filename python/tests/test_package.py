"""The package for PyPI: a typed package of one file, in step with the program."""

import subprocess
import sys
import tomllib
import unittest
import zipfile

from support import PYTHON, ROOT, InFolder


class Package(InFolder):
    def test_the_wheel_is_a_typed_package(self):
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", self.home, PYTHON]
        subprocess.run(pip, check=True)
        (wheel,) = self.home.glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            names = [name for name in files.namelist() if not name.split("/")[0].endswith(".dist-info")]
            self.assertEqual(sorted(names), ["lastbit/__init__.py", "lastbit/py.typed"])
            self.assertEqual(files.read("lastbit/__init__.py"), (PYTHON / "lastbit.py").read_bytes())
            (metadata,) = (name for name in files.namelist() if name.endswith("METADATA"))
            lines = files.read(metadata).decode().splitlines()
        workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
        for line in [
            "Name: lastbit",
            f"Version: {workspace['version']}",
            f"License-Expression: {workspace['license']}",
            f"Project-URL: Repository, {workspace['repository']}",
        ]:
            self.assertIn(line, lines)
        self.assertEqual([line for line in lines if line.startswith("Requires-Dist")], ["Requires-Dist: numpy>=1.26"])
        used = "import lastbit; print(lastbit.__file__)"
        shown = subprocess.run([sys.executable, "-c", used], env={"PYTHONPATH": str(wheel)}, capture_output=True, text=True, check=True)
        self.assertIn(wheel.name, shown.stdout)

    def test_licences_are_those_of_the_repository(self):
        for name in ("LICENSE-MIT", "LICENSE-APACHE"):
            self.assertEqual((PYTHON / name).read_bytes(), (ROOT / name).read_bytes())


if __name__ == "__main__":
    unittest.main()
