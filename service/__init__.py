"""Rig or Rent: on which hardware, for how much money, in how many days.

Reading order: estimation (time), ranking (money and order), catalogue (what is known), checks and collect (what to
believe), store and market (what is remembered), web (what is shown), app (how it is wired).
"""
