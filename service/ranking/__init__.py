"""What an option costs, and all of them in order. Pure; never a FLOP.

Reading order: request and option (question and answer), rules (how providers bill), interruptions, offers (what is
given), data (what is stored and moved), cost (what it comes to), ways (what each costs and takes), order (frontier,
probability), break_even, bill (line by line), describe (in words), rank (all of it).
"""
