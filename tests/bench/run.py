"""How fast the service is: `python tests/bench/run.py [NAME …]` runs each bench_NAME.py and prints its table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    benches = sorted(HERE.glob("bench_*.py"))
    chosen = [bench for bench in benches if not names or bench.stem.removeprefix("bench_") in names]
    failed = 0
    for bench in chosen:
        print(f"\n{bench.stem.removeprefix('bench_')}\n{'-' * 92}", flush=True)  # noqa: T201
        failed += subprocess.run([sys.executable, str(bench)], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
