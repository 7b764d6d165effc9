"""How long the estimation core takes by itself: 2,000 kinds of machines for one workload, and one machine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from measure import kinds, repeated

from service import catalogue
from service.estimation.estimate import Estimator
from service.estimation.hardware import Machine

MACHINES = 2_000


def main() -> None:
    known = catalogue.load()
    estimator = Estimator(known.efficiencies, known.runs)
    machines = [Machine(gpu=gpu, gpu_count=count) for gpu, count in kinds(MACHINES)]
    one = Machine(gpu=known.gpus["RTX 4070"])
    for slug in ("nanochat-d32", "gpt2-124m", "llama-2-7b"):
        workload = known.workloads[slug]
        alone = replace(workload, reference=None)
        repeated(f"{slug}, {MACHINES:,} machines", partial(estimator.estimate_many, workload, machines), 200)
        repeated(f"{slug}, one machine", partial(estimator.estimate, alone, one), 1, times=99)
        several = replace(one, gpu_count=8)
        repeated(f"{slug}, one machine of 8 GPUs", partial(estimator.estimate, alone, several), 1, times=99)


if __name__ == "__main__":
    main()
