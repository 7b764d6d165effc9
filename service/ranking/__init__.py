"""What an option costs, and all of them in order. Pure; never a FLOP.

Reading order: cost (what an option costs), rank (the order, the frontier, the break-even).
"""
