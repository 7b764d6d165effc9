"""The fit: which efficiencies make the roofline agree best with published runs, and how well it does on others.

Which rows of catalogue/runs.csv are fitted (column `fitted`) was decided by what their sources say, before any residual
was seen: confidence not "low", tokens per second measured and not derived from a published TFLOP/s, a GPU with matrix
units, software of a class with a name (not a library's trainer with unknown settings), no latent attention. Runs that
meet all this but whose plan (micro-batch, or what is recomputed) is not stated, and software of none of the classes
(before 2022, or written to teach), are `asked`: what they tell is asked as a user would and graded, but no constant is
fitted to them. The rest is kept to compare with.

Two errors are told apart. *Software known*: the row's framework and plan are given to the formula, which shows the
physics. *As told*: the row becomes a question as a user would ask it, with nothing but what the API can say, which is
the product. Starting values and the form come from an earlier study of the same rows, and a few choices of form were
made on left-out errors, so cross-validation is a little too kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize

from service.estimation.answer import Infeasible
from service.estimation.chips import chip_table, chips_of, software_of
from service.estimation.efficiencies import Efficiencies
from service.estimation.estimate import Estimator
from service.estimation.evidence import TEN_PERCENT, Evidences
from service.estimation.flops import Floats, work_of
from service.estimation.layouts import layout_of_runs
from service.estimation.memory import Layout
from service.estimation.plans import interleaved
from service.estimation.runs import PublishedRun
from service.estimation.scaling import links_of
from service.estimation.step import Situation, step, working_replicas
from service.estimation.workload import tokens_per_step
from service.fit.memory import MemoryReport, as_lines, memory_report

PRIOR = 0.6  # weight of a constant's start, per e-fold: what runs do not tell stays where literature puts it
SHARED = 0.7  # runs of a source scatter by about 0.1 around what it has in common, and sources by about 0.14
SOFT = 0.2  # residuals beyond 20 % count less and less
COVERAGE = 0.78  # of what intervals should hold when sources weigh the same; of all runs it is about nine in ten
By = Literal["source", "gpu"]


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of time over some runs."""

    runs: int
    bias: float  # median of predicted over measured, less one
    median: float  # of the absolute error
    ninetieth: float
    equal_median: float  # the same with every source weighing the same
    equal_ninetieth: float
    inside: float | None = None  # share between P10 and P90


@dataclass(frozen=True, slots=True)
class Point:
    """A run, and what is predicted for it as told when its source is left out: tokens per second and GPU."""

    source: str
    measured: float
    predicted: float


@dataclass(frozen=True, slots=True)
class Report:
    """The constants and how far off they are, by every way of leaving runs out."""

    efficiencies: Efficiencies
    scores: dict[str, Score]
    by_source: dict[str, Score]  # each left out, as told
    by_gpu: dict[str, Score]  # each left out, software known
    memory: MemoryReport
    points: tuple[Point, ...]
    runs: int
    fitted: int
    graded: int  # those, and the ones that are only asked


class Table:
    """Published runs as rows of the formula, with the software that their sources state."""

    def __init__(self, runs: Sequence[PublishedRun]) -> None:
        self.runs = tuple(runs)
        workloads, machines = [run.workload for run in runs], [run.machine for run in runs]
        models = [workload.model for workload in workloads if workload.model is not None]
        self.work = work_of(models)
        self.links = links_of(machines)
        self.sheet = chip_table(
            [machine.gpu for machine in machines], [each.precision for each in workloads], [run.kernel for run in runs]
        )
        self.tokens = np.array([tokens_per_step(each) for each in workloads], dtype=float)
        self.sequences = self.tokens / self.work.seq_len
        self.layout = self._layout()
        self.recomputed = np.array([np.nan if run.recomputed is None else run.recomputed for run in runs])
        self.muon = np.array([float(each.optimizer == "muon") for each in workloads])
        rates = np.array([run.tokens_per_s_per_gpu * run.machine.gpu_count for run in runs])
        self.measured = self.tokens / rates
        self.fitted = np.array([run.fitted for run in runs])
        self.graded = np.array([run.graded for run in runs])
        self.sources = np.array([run.source for run in runs])
        self.gpus = np.array([chip_family(run) for run in runs])

    def _layout(self) -> Layout:
        layout = layout_of_runs(self.runs)
        most = self.sequences / working_replicas(self.sequences, self.links.gpus, layout)
        return replace(layout, micro_batch=np.minimum(layout.micro_batch, most))

    def errors(self, known: Efficiencies) -> Floats:
        """Logarithms of predicted over measured time, one per run."""
        told = np.where(np.isnan(self.recomputed), 0.0, self.recomputed)
        usual = self.layout.full + self.layout.selective * known.selective_recompute
        rows = Situation(
            work=self.work,
            chips=chips_of(self.sheet, known),
            software=software_of([run.framework for run in self.runs], [run.kernel for run in self.runs], known),
            layout=self.layout,
            links=self.links,
            sequences=self.sequences,
            stages=np.array([float(interleaved(run.workload.plan)) for run in self.runs]),
            repeated=np.where(np.isnan(self.recomputed), usual, told),
            orthogonalised=self.muon,
            quantised=np.zeros(len(self.runs)),
            precision="bf16",
        )
        errors: Floats = np.log(step(rows, known).total / self.measured)
        return errors


def chip_family(run: PublishedRun) -> str:
    """GPUs that are left out together: sizes of one chip, and the data-centre Blackwells."""
    name = run.machine.gpu.name.removesuffix(" 80GB").removesuffix(" 40GB")
    return "B200/B300/GB200/GB300" if name in ("B200", "B300", "GB200", "GB300") else name


# Fitting --------------------------------------------------------------------------------------------------------------


def report(runs: Sequence[PublishedRun]) -> Report:
    """Fit, and say how well that does on what it has seen and on what it has not."""
    table = Table(runs)
    fitted = fit(table, table.fitted)
    without_source = without_each(table, table.sources, fitted)
    by_source = left_out(table, table.sources, without_source, as_told=True)
    known = fit_spread(table, fitted, by_source)
    aware = table.errors(known)
    told = errors_as_told(table.runs, known)
    by_gpu = left_out(table, table.gpus, without_each(table, table.gpus, fitted))
    source_aware = left_out(table, table.sources, without_source)
    inside = covered(table, known, by_source)
    kept, graded = table.fitted, table.graded
    scores = {
        "fitted, software known": score(table, aware, kept),
        "fitted or asked, as told": score(table, told, graded, covered(table, known, told)),
        "source left out, software known": score(table, source_aware, kept),
        "source left out, as told": score(table, by_source, graded, inside),
        "GPU left out, software known": score(table, by_gpu, kept),
        "neither, as told": score(table, told, ~graded, covered(table, known, told)),
    }
    return Report(
        known,
        scores,
        {
            name: score(table, by_source, graded & (table.sources == name), inside)
            for name in _names(table.sources[graded])
        },
        {name: score(table, by_gpu, kept & (table.gpus == name)) for name in _names(table.gpus[kept])},
        memory_report(table.runs, Estimator(known)),
        _points(table, by_source, graded),
        len(runs),
        int(kept.sum()),
        int(graded.sum()),
    )


def fit(table: Table, kept: NDArray[np.bool_], near: Efficiencies | None = None) -> Efficiencies:
    """The constants that runs decide, by bounded least squares of logarithms with a soft loss and a weak prior.

    `near` is where the search begins, which makes it sooner and not another.
    """
    items = [item for item in fields(Efficiencies) if item.metadata["by"] == "runs"]
    names = [item.name for item in items]
    start = np.log([float(getattr(Efficiencies(), name)) for name in names])
    low = np.log([max(item.metadata["low"], 1e-6) for item in items])
    high = np.log([item.metadata["high"] for item in items])
    weights = _weights(table.sources[kept])
    _, source = np.unique(table.sources[kept], return_inverse=True)
    seen = np.bincount(source, weights**2)

    def residuals(logarithms: Floats) -> Floats:
        known = replace(Efficiencies(), **dict(zip(names, np.exp(logarithms).tolist(), strict=True)))
        errors = table.errors(known)[kept]
        # what all runs of a source share is its software's, not the constants': least squares give it in closed form
        shared = np.bincount(source, weights**2 * errors) / (seen + SHARED**2)
        return np.concatenate([weights * (errors - shared[source]), SHARED * shared, PRIOR * (logarithms - start)])

    # not in a corner to begin with: a bound stops the trust region
    begin = start if near is None else np.log([float(getattr(near, name)) for name in names])
    inner = np.clip(begin, low + 1e-6, high - 1e-6)
    best = least_squares(residuals, inner, bounds=(low, high), loss="soft_l1", f_scale=SOFT, ftol=1e-6, xtol=1e-6)
    return replace(Efficiencies(), **dict(zip(names, np.exp(best.x).tolist(), strict=True)))


def _weights(sources: NDArray[np.str_]) -> Floats:
    """Between every run and every source weighing the same: one over the root of a source's number of runs."""
    count = Counter(sources.tolist())
    weights = np.array([count[source] ** -0.5 for source in sources.tolist()])
    scaled: Floats = weights / np.sqrt(np.mean(weights**2))
    return scaled


def without_each(table: Table, groups: NDArray[np.str_], fitted: Efficiencies) -> dict[str, Efficiencies]:
    """The constants as each group's absence leaves them; a group of which nothing is fitted changes none."""
    names = set(groups[table.fitted].tolist())
    return {
        name: fit(table, table.fitted & (groups != name), fitted) if name in names else fitted
        for name in _names(groups[table.graded])
    }


def left_out(
    table: Table, groups: NDArray[np.str_], without: Mapping[str, Efficiencies], as_told: bool = False
) -> Floats:
    """Errors of every group by the constants that have not seen it."""
    errors = np.full(len(table.runs), np.nan)
    for name, known in without.items():
        left = np.flatnonzero(groups == name)
        errors[left] = (
            errors_as_told([table.runs[row] for row in left], known) if as_told else table.errors(known)[left]
        )
    return errors


def errors_as_told(runs: Sequence[PublishedRun], known: Efficiencies) -> Floats:
    """Errors of the product: each run asked as a user would, with the plan that its source states pinned."""
    estimator = Estimator(known)
    return np.array([_error_as_told(estimator, run) for run in runs])


def _error_as_told(estimator: Estimator, run: PublishedRun) -> float:
    answer = estimator.estimate(run.workload, run.machine)
    if isinstance(answer, Infeasible):
        if answer.estimate is None:
            return float("nan")
        answer = answer.estimate
    if answer.tokens_per_s_per_gpu is None:
        return float("nan")
    return float(np.log(run.tokens_per_s_per_gpu / answer.tokens_per_s_per_gpu.p50))


# How sure -------------------------------------------------------------------------------------------------------------


def fit_spread(table: Table, known: Efficiencies, errors: Floats) -> Efficiencies:
    """Widths of intervals from the errors, as told, of sources that the constants have not seen."""
    names = [item.name for item in fields(Efficiencies) if item.metadata["by"] == "residuals"]
    seen = table.graded & np.isfinite(errors)
    weights = _weights(table.sources[seen]) ** 2  # here every source weighs the same: the next run is of another one
    start = [float(getattr(known, name)) for name in names]

    def unlikely(values: Floats) -> float:
        sigmas = _sigmas(table, replace(known, **dict(zip(names, values.tolist(), strict=True))))[seen]
        # Student's t with four degrees of freedom: a run that is far off does not widen every interval
        return float(np.sum(weights * (np.log(sigmas) + 2.5 * np.log1p((errors[seen] / sigmas) ** 2 / 4))))

    bounds = [(item.metadata["low"], item.metadata["high"]) for item in fields(Efficiencies) if item.name in names]
    best = minimize(unlikely, start, bounds=bounds, method="L-BFGS-B")
    shaped = replace(known, **dict(zip(names, best.x.tolist(), strict=True)))
    return _scaled(table, shaped, names, errors, seen, weights)


def _scaled(
    table: Table, known: Efficiencies, names: list[str], errors: Floats, seen: NDArray[np.bool_], weights: Floats
) -> Efficiencies:
    """All widths by one factor, so that the stated share of left-out runs lies inside."""
    by = {name: getattr(known, name) for name in names}
    low, high = 0.2, 3.0
    for _ in range(40):
        middle = (low + high) / 2
        tried = replace(known, **{name: value * middle for name, value in by.items()})
        inside = np.abs(errors[seen]) <= TEN_PERCENT * _sigmas(table, tried)[seen]
        low, high = (low, middle) if np.average(inside, weights=weights) >= COVERAGE else (middle, high)
    return replace(known, **{name: value * high for name, value in by.items()})


def _sigmas(table: Table, known: Efficiencies) -> Floats:
    """The width of each run's interval if its own source were unknown."""
    others: dict[str, Evidences] = {}
    for source in _names(table.sources):
        others[source] = Evidences([run for run in table.runs if run.source != source], known)
    return np.array([others[run.source].certainty(run.workload, run.machine).sigma for run in table.runs])


def covered(table: Table, known: Efficiencies, errors: Floats) -> NDArray[np.bool_]:
    """Which runs lie between P10 and P90."""
    inside: NDArray[np.bool_] = np.abs(errors) <= TEN_PERCENT * _sigmas(table, known)
    return inside


# Saying so ------------------------------------------------------------------------------------------------------------


def score(table: Table, errors: Floats, kept: NDArray[np.bool_], inside: NDArray[np.bool_] | None = None) -> Score:
    """Errors of the runs that are kept and could be estimated."""
    rows = kept & np.isfinite(errors)
    relative = np.exp(errors[rows]) - 1
    count = Counter(table.sources[rows].tolist())
    weights = np.array([1 / count[source] for source in table.sources[rows].tolist()])
    return Score(
        runs=int(rows.sum()),
        bias=float(np.median(relative)),
        median=float(np.median(np.abs(relative))),
        ninetieth=float(np.quantile(np.abs(relative), 0.9)),
        equal_median=_weighted(np.abs(relative), weights, 0.5),
        equal_ninetieth=_weighted(np.abs(relative), weights, 0.9),
        inside=None if inside is None else float(np.mean(inside[rows])),
    )


def _weighted(values: Floats, weights: Floats, share: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, share)), len(values) - 1)])


def _names(column: NDArray[np.str_]) -> list[str]:
    return list(dict.fromkeys(column.tolist()))


def _points(table: Table, errors: Floats, kept: NDArray[np.bool_]) -> tuple[Point, ...]:
    rows = np.flatnonzero(kept & np.isfinite(errors))
    measured = [(table.runs[row], table.runs[row].tokens_per_s_per_gpu, float(errors[row])) for row in rows]
    return tuple(Point(run.source, rate, rate * float(np.exp(-error))) for run, rate, error in measured)


def as_text(told: Report) -> str:
    """The report as plain lines."""
    lines = [
        f"{told.fitted} of {told.runs} published runs fitted, {told.graded - told.fitted} more asked. "
        "Errors of time, predicted over measured.",
        "",
    ]
    header = f"{'':36s}{'runs':>5s}{'bias':>8s}{'median':>8s}{'90 %':>8s}{'equal sources':>17s}{'in P10-P90':>12s}"
    for title, scores in (
        ("", told.scores),
        ("Each source left out, as told", told.by_source),
        ("Each GPU left out, software known", told.by_gpu),
    ):
        lines += [title, header, *(_line(name, one) for name, one in scores.items()), ""]
    lines += as_lines(told.memory)
    lines += [f"{'constant':28s}{'value':>10s}  {'by':10s}unit, meaning"]
    for item in fields(told.efficiencies):
        about = item.metadata
        value = getattr(told.efficiencies, item.name)
        lines.append(f"{item.name:28s}{value:10.4g}  {about['by']:10s}{about['unit']}: {about['meaning']}")
    return "\n".join(lines)


def _line(name: str, one: Score) -> str:
    inside = "" if one.inside is None else f"{one.inside:.0%}"
    equal = f"{one.equal_median:.1%} / {one.equal_ninetieth:.1%}"
    return f"{name:36s}{one.runs:5d}{one.bias:+8.1%}{one.median:8.1%}{one.ninetieth:8.1%}{equal:>17s}{inside:>12s}"


def as_toml(known: Efficiencies) -> str:
    """The catalogue's file of constants, each with its unit, plausible range and meaning."""
    lines = [
        "# Written by `rig-or-rent fit`. Decided by runs (least squares over catalogue/runs.csv), by physics (kept,",
        "# since runs do not tell it) or by residuals (so wide that intervals hold on sources left out).\n",
    ]
    for item in fields(known):
        about = item.metadata
        lines += [
            f"[constants.{item.name}]",
            f"value = {getattr(known, item.name):.4g}",
            f'unit = "{about["unit"]}"',
            f"range = [{about['low']}, {about['high']}]",
            f'by = "{about["by"]}"',
            f'meaning = "{about["meaning"]}"\n',
        ]
    return "\n".join(lines)
