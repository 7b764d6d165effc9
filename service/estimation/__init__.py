"""How long a workload takes on a machine, whether it fits, how sure that is, and why. Pure; never a price.

Reading order: workload, hardware, memory, throughput, estimate.
"""
