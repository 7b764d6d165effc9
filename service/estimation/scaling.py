"""What the links between GPUs, and from a GPU to its host, cost in a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.estimation.efficiencies import Efficiencies
from service.estimation.flops import Floats
from service.estimation.hardware import Interconnect, Machine

PCIE_LANE_GB_S = {1: 0.25, 2: 0.5, 3: 0.985, 4: 1.969, 5: 3.938, 6: 7.563}  # one way, by specification
PCIE_PINNED_SHARE = 0.88  # copies from pinned memory: 55.4 of 63 GB/s, stas00/ml-engineering network/README.md
NO_PEER_SHARE = 0.35  # of PCIe when every copy goes through host memory: 8 to 12 of 31 GB/s
NO_PEER_CROWD = 0.22  # the same with more than two GPUs on one host: 5 to 8 of 31
PEER_SHARE = 0.80  # all-reduce over PCIe with peer-to-peer: 24.5 of 31 GB/s, tinygrad/open-gpu-kernel-modules
NETWORK_SHARE = 0.94  # all-reduce over InfiniBand or RoCE with GPU Direct: 47 of 50 GB/s, nccl-tests issue 290
HOST_MEMORY_GB_S = 300.0  # what the GPUs of a host share when they all read its RAM; servers have 200 to 500 (a guess)
DEFAULT_NETWORK_GBIT_S = 400.0
# Cards that one NVLink or Infinity Fabric bridge joins, by card or vendor; pairs otherwise (data sheets)
BRIDGED_CARDS = {"H200 NVL": 4, "AMD": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Machines as columns."""

    gpus: Floats  # that work
    in_node: Floats  # GPUs that share a node
    bus: Floats  # bytes/s and direction inside a node, at line rate
    network: Floats  # bytes/s per GPU between nodes
    host: Floats  # bytes/s from one GPU to its host


def own_interconnect(machine: Machine) -> Interconnect:
    """How the GPUs of a node talk when nothing else is said: by what their card has."""
    if machine.gpu_count == 1:
        return "none"
    if machine.interconnect == "nvlink" and why_no_nvlink(machine) is None:
        return "nvlink"
    if machine.interconnect in ("pcie", "pcie_p2p"):
        return machine.interconnect
    if machine.gpu.nvlink_gb_s and machine.gpu.form_factor != "PCIe":
        return "nvlink"
    # bridges between pairs of PCIe cards are rarely fitted; GeForce drivers forbid copies from card to card
    return "pcie" if machine.gpu.consumer else "pcie_p2p"


def why_no_nvlink(machine: Machine) -> str | None:
    """Why the cards of a node cannot all talk by NVLink; None: they can. Cards for PCIe are joined by bridges."""
    gpu = machine.gpu
    if not gpu.nvlink_gb_s:
        return f"{gpu.name} has no NVLink"
    if gpu.form_factor != "PCIe":
        return None
    bridged = BRIDGED_CARDS.get(gpu.name, BRIDGED_CARDS.get(gpu.vendor, 2))
    if gpus_in_node(machine) > bridged:
        return f"bridges join {bridged} {gpu.name}, not {gpus_in_node(machine)}"
    return None


def links_of(machines: Sequence[Machine]) -> Links:
    """The links of machines, one row each."""
    return Links(
        gpus=np.array([machine.gpu_count for machine in machines], dtype=float),
        in_node=np.array([gpus_in_node(machine) for machine in machines], dtype=float),
        bus=np.array([_bus_gb_s(machine) for machine in machines]) * 1e9,
        network=np.array([machine.network_gbit_s or DEFAULT_NETWORK_GBIT_S for machine in machines])
        * (1e9 / 8 * NETWORK_SHARE),
        host=np.array([_host_gb_s(machine) for machine in machines]) * 1e9,
    )


def gpus_in_node(machine: Machine) -> int:
    """GPUs that reach each other without a network card; a rack of Grace-Blackwell is one node of 72."""
    rack = machine.gpu.form_factor == "superchip" and machine.gpu.architecture.startswith("Blackwell")
    return min(machine.gpu_count, max(machine.gpus_per_node, 72 if rack else 1))


def _pcie_gb_s(machine: Machine) -> float:
    gpu = machine.gpu
    return PCIE_LANE_GB_S.get(gpu.pcie_gen, PCIE_LANE_GB_S[4]) * (gpu.pcie_lanes or 16)


def _host_gb_s(machine: Machine) -> float:
    return min(
        _pcie_gb_s(machine) * PCIE_PINNED_SHARE, HOST_MEMORY_GB_S / min(machine.gpu_count, machine.gpus_per_node)
    )


def _bus_gb_s(machine: Machine) -> float:
    kind = own_interconnect(machine)
    pcie = _pcie_gb_s(machine)
    if kind == "nvlink":
        return max(machine.gpu.nvlink_gb_s / 2, pcie * PEER_SHARE)
    if kind == "pcie_p2p":
        return pcie * PEER_SHARE
    return pcie * (NO_PEER_SHARE if machine.gpu_count == 2 else NO_PEER_CROWD)


def all_reduce(volume: Floats, group: Links, known: Efficiencies) -> Floats:
    """Seconds to sum `volume` bytes over all GPUs: rings inside nodes, then one part per GPU between nodes."""
    nodes = np.maximum(1.0, group.gpus / group.in_node)
    inside = 2 * (group.in_node - 1) / group.in_node * volume / group.bus
    between = 2 * (nodes - 1) / nodes * volume / group.in_node / group.network
    return (inside + between) / known.bus


def replicas(links: Links, tensor: Floats, pipeline: Floats) -> Links:
    """The GPUs that hold the same part of a model that is cut `tensor` and `pipeline` ways."""
    gpus = links.gpus / (tensor * pipeline)  # sequences may be cut: each GPU then works on its part of one
    return replace(links, gpus=gpus, in_node=np.clip(links.in_node / tensor, 1.0, gpus))


def within(links: Links, size: Floats) -> Floats:
    """Bytes/s between neighbours of a group of `size` GPUs: inside a node if it fits there, else between nodes."""
    rate: Floats = np.where(size <= links.in_node, links.bus, np.minimum(links.bus, links.network))
    return rate


def exposed(seconds: Floats, window: Floats, share: float) -> Floats:
    """What is left of a transfer when a share of it hides behind `window` seconds of computation."""
    hidden: Floats = np.minimum(seconds * share, window)
    return seconds - hidden
