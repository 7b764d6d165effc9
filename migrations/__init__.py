"""The history of the tables; run by `rig-or-rent migrate` and by an installed copy itself."""
