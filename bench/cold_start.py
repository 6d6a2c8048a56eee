"""Time of a cold start: unpacks the package as Lambda does, and imports it in fresh processes.

`python -m bench.cold_start`. It measures CPU time. A function's share of a CPU follows from its memory: one
CPU with 1,769 MB, 58 % of one with 1,024 MB; during the start Lambda gives more. The compiled libraries of
the layer are for arm64, so those of this machine are used instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from statistics import median
from typing import Any

from infra.package import package

ROOT = Path(__file__).parent.parent
REPORT = ROOT / ".local" / "bench" / "cold_start.json"
AIM_MS, LIMIT_MS = 250, 400

_MACHINE_CODE = ("pydantic_core", "msgspec")
_IMPORT = """
import resource, sys, time
sys.path[:] = [*sys.argv[1:], *sys.path]
cpu, wall = time.process_time(), time.perf_counter()
import app
print(time.process_time() - cpu, time.perf_counter() - wall,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure(repeats: int) -> dict[str, Any]:
    """Package a stage and measure it: size in bytes, import times with and without compiled files, memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package("cpo", folder)
        zips = {each: folder / f"{each}.zip" for each in ("deployment", "layer-deployment")}
        code, site = unpack(folder, zips["deployment"], zips["layer-deployment"])
        compiled = _import(code, site, repeats)
        for each in folder.rglob("*.pyc"):
            each.unlink()
        return {
            "zipped_bytes": {each: path.stat().st_size for each, path in zips.items()},
            "import": compiled,
            "import_without_pyc": _import(code, site, max(1, repeats // 3)),
            "load": os.getloadavg()[0],
        }


def unpack(folder: Path, code: Path, layer: Path) -> tuple[Path, Path]:
    """Unpack a package. Returns the folder of its code, and the folder that the layer adds to the path."""
    for path in (code, layer):
        with zipfile.ZipFile(path) as zipped:
            zipped.extractall(folder / path.stem)
    [site] = (folder / layer.stem).glob("python/lib/python3.*/site-packages")
    for name in _MACHINE_CODE:
        own = next(Path(entry) / name for entry in sys.path if (Path(entry) / name).is_dir())
        for each in own.glob("*.so"):
            (site / name / each.name).write_bytes(each.read_bytes())
    return folder / code.stem, site


def _import(code: Path, site: Path, repeats: int) -> dict[str, float]:
    command = [sys.executable, "-c", _IMPORT, str(code), str(site)]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    measured = []
    for _ in range(repeats + 1):
        ran = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, check=True)
        measured.append([float(each) for each in ran.stdout.split()])
    cpu, wall, memory = zip(*measured[1:], strict=True)
    return {
        "cpu_min_ms": round(min(cpu) * 1000),
        "cpu_median_ms": round(median(cpu) * 1000),
        "wall_min_ms": round(min(wall) * 1000),
        "memory_mb": round(max(memory)),
    }


def main() -> int:
    """Measure, print and write the report. Returns 1 when an import is slower than its limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start")
    parser.add_argument("--repeats", type=int, default=15)
    measured = measure(parser.parse_args().repeats)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(measured, indent=2))
    took = measured["import"]["cpu_min_ms"]
    print(f"import of app: {took} ms of CPU; the aim is {AIM_MS}, the limit {LIMIT_MS}")
    return int(took > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
