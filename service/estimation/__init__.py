"""How long a workload takes on a machine, whether it fits, how sure that is, and why. Pure; never a price.

Reading order: workload, hardware, flops, efficiencies, chips, throughput (one micro-step), scaling, memory, step,
choices, plans (the fastest that fits), runs, evidence (how sure), answer, telling, ratio, estimate,
several (how many GPUs help), logs (an owner's own steps).
"""
