"""How long a workload takes on a machine, whether it fits, how sure that is, and why. Pure; never a price.

Reading order: workload, hardware, flops, throughput, scaling, memory, step, plans (the fastest that fits),
runs, evidence (how sure), answer, ratio, estimate.
"""
