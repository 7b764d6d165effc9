"""How often a spot machine is taken away, and by what part that lengthens a run."""

from __future__ import annotations

from math import sqrt

# Losses per machine and hour. 0.10: A100 on GCP, 2021-12-11, 154 falls in 1,548 instance-hours
# (https://github.com/uclasystem/bamboo, traces/gcloud/a100x1-east1b.txt), the only public trace of a GPU that is still
# rented for training. Others read 0.06 to 1.4 (AWS V100, 2022-2023, https://github.com/skypilot-org/spot-traces); what
# was counted with a provider's GPU stands in `catalogue/billing.toml`. The bands of AWS's advisor, below 5 to above
# 20 %, are shares of machines a month: another thing than losses an hour, and not used.
# Machines of one zone are lost together, so that it is not multiplied by their number.
INTERRUPTIONS_PER_HOUR = 0.10
INTERRUPTIONS_SOURCE = "0.10 losses an hour, A100 on GCP, 2021-12-11, https://github.com/uclasystem/bamboo"

# An assumption: 7 B parameters with their states (12 bytes each) at 1.5 GB/s, the speed of one local NVMe.
CHECKPOINT_HOURS = 1 / 60

# An assumption: another machine found and started, and the checkpoint read back.
RESTART_HOURS = 0.25


def interruption_growth(
    per_hour: float = INTERRUPTIONS_PER_HOUR, checkpoint: float = CHECKPOINT_HOURS, restart: float = RESTART_HOURS
) -> float:
    """By what part interruptions lengthen a run that saves checkpoints at the best interval (Young 1974, Daly 2006)."""
    if per_hour == 0:
        return 0.0
    interval = sqrt(2 * checkpoint / per_hour)
    return checkpoint / interval + per_hour * (interval / 2 + restart)
