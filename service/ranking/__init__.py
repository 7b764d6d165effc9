"""What an option costs, and all of them in order. Pure; never a FLOP.

Reading order: request and option (question and answer), offers (what is given), cost (what an hour is charged at),
ways (what each costs and takes), order (frontier, probability), break_even, describe (in words), rank (all of it).
"""
