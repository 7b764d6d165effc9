"""How long the estimation core takes by itself: 2,000 kinds of machines for one workload, and one machine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from measure import kinds, repeated

from service import catalogue
from service.estimation.estimate import Estimator
from service.estimation.hardware import Machine

MACHINES = 2_000
LONG = 32_768  # tokens of a sequence, which may be cut over GPUs


def main() -> None:
    known = catalogue.load()
    estimator = Estimator(known.efficiencies, known.runs)
    machines = [Machine(gpu=gpu, gpu_count=count) for gpu, count in kinds(MACHINES)]
    card, server = known.gpus["RTX 4070"], known.gpus["H100 SXM"]
    for slug in ("nanochat-d32", "gpt2-124m", "llama-2-7b"):
        workload = known.workloads[slug]
        alone = replace(workload, reference=None)
        repeated(f"{slug}, {MACHINES:,} machines", partial(estimator.estimate_many, workload, machines), 200)
        for count in (1, 8):
            one = Machine(gpu=card, gpu_count=count)
            repeated(f"{slug}, {count} x {card.name}", partial(estimator.estimate, alone, one), 1, times=99)
    model = known.workloads["llama-2-7b"].model
    assert model is not None
    long = replace(known.workloads["llama-2-7b"], model=replace(model, seq_len=LONG), reference=None)
    repeated(
        f"llama-2-7b of {LONG:,} tokens, {MACHINES:,} machines", partial(estimator.estimate_many, long, machines), 200
    )
    many = Machine(gpu=server, gpu_count=64)
    repeated(f"llama-2-7b of {LONG:,} tokens, 64 x {server.name}", partial(estimator.estimate, long, many), 1, times=99)


if __name__ == "__main__":
    main()
