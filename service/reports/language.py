"""The words of reports in English and Spanish, and how numbers are written in them: one table per language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from service.estimation.answer import Interval
from service.presentation import numbers
from service.presentation.numbers import TimeScale
from service.presentation.words import times
from service.ranking.option import Option

NBSP: Final = "\u00a0"
SWAPPED: Final = str.maketrans({",": ".", ".": ","})
MONTHS_ES: Final = ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic")
UNITS_ES: Final = {"day": "día", "days": "días", "hour": "hora", "hours": "horas"}


@dataclass(frozen=True, slots=True)
class Words:
    """One language: `say` fills a sentence, the others write numbers."""

    code: str

    def say(self, key: str, **slots: object) -> str:
        return MESSAGES[self.code][key].format(**slots)

    @property
    def is_spanish(self) -> bool:
        return self.code == "es"

    # Numbers ---------------------------------------------------------------------------------------------------------

    def usd(self, amount: float, like: float | None = None) -> str:
        return self._dollars(numbers.usd(amount, like))

    def usd_rate(self, amount: float) -> str:
        return self._dollars(numbers.usd_rate(amount))

    def usd_range(self, amount: Interval) -> str:
        span = numbers.usd_interval(amount)
        return self._dollars(span) if span else ""

    def signed_usd(self, amount: float, like: float) -> str:
        """Always with its sign; empty where rounding leaves nothing."""
        text = numbers.usd(abs(amount), like)
        if not text.strip("$0.,"):
            return ""
        return f"{'−' if amount < 0 else '+'}{self._dollars(text)}"

    def _dollars(self, text: str) -> str:
        if not self.is_spanish:
            return text
        return f"{text.replace('$', '').translate(SWAPPED)}{NBSP}US$"

    def percent(self, change: float) -> str:
        """Without its sign: one decimal under ten."""
        size = abs(change)
        text = f"{size:.0f}" if size >= 9.95 else f"{size:.1f}".removesuffix(".0")
        return f"{text.translate(SWAPPED)}{NBSP}%" if self.is_spanish else f"{text}%"

    def signed_percent(self, change: float) -> str:
        return f"{'−' if change < 0 else '+'}{self.percent(change)}"

    def days(self, days: float, scale: TimeScale) -> str:
        return self._time(scale.words(days))

    def days_range(self, days: Interval, scale: TimeScale) -> str:
        text = scale.range_in_words(days)
        return text.translate(SWAPPED) if self.is_spanish else text

    def _time(self, text: str) -> str:
        if not self.is_spanish:
            return text
        number, _, unit = text.partition(" ")
        return f"{number.translate(SWAPPED)} {UNITS_ES.get(unit, unit)}"

    def count(self, count: int) -> str:
        text = f"{count:,}"
        return text.translate(SWAPPED) if self.is_spanish else text

    def place(self, rank: int) -> str:
        """`2nd of`, `puesto 2`."""
        if self.is_spanish:
            return f"puesto {rank}"
        if rank % 100 in (11, 12, 13):
            return f"{rank}th"
        return f"{rank}{({1: 'st', 2: 'nd', 3: 'rd'}).get(rank % 10, 'th')}"

    def date(self, at: datetime, zone: ZoneInfo) -> str:
        local = at.astimezone(zone)
        month = MONTHS_ES[local.month - 1] if self.is_spanish else f"{local:%b}"
        return f"{local.day} {month} {local.year}"

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        return f"{self.date(at, zone)}, {at.astimezone(zone):%H:%M} ({zone.key})"

    def age(self, at: datetime, now: datetime) -> str:
        """`23 min old`, below two days; how many days beyond."""
        passed = max(now - at, timedelta(0))
        if passed < timedelta(hours=1):
            return self.say("minutes_old", n=passed // timedelta(minutes=1) or "<1")
        if passed < timedelta(hours=48):
            return self.say("hours_old", n=passed // timedelta(hours=1))
        return self.say("days_old", n=self.count(passed // timedelta(days=1)))

    def span(self, passed: timedelta) -> str:
        """`30 h`, `3 days`."""
        hours = passed // timedelta(hours=1)
        return f"{hours} h" if hours < 72 else self._time(f"{hours // 24} days")

    # Names -----------------------------------------------------------------------------------------------------------

    def title(self, title: str) -> str:
        """8× H100 SXM at RunPod (secure), spot; units and names of GPUs are not translated."""
        written = times(title)
        if not self.is_spanish:
            return written
        written = written.replace(" at home", " en casa", 1).replace(" at ", " en ", 1)
        return re.sub(r"reserved for (\d+) months$", r"reservado \1 meses", written)

    def short(self, option: Option) -> str:
        """8× H100 SXM spot: for subjects, where every character counts."""
        count = f"{option.machine.gpu_count}× " if option.machine.gpu_count > 1 or option.offer else ""
        how = f" {self.say(option.offer.pricing)}" if option.offer and option.offer.pricing != "on_demand" else ""
        return f"{count}{option.machine.gpu}{how}"


def words(code: str) -> Words:
    return Words(code)


EN: Final[Mapping[str, str]] = {
    # Subjects: what changed, with the number; the workload is said short
    "subject_cheaper": "{workload} fell {percent} to {cost}: {option}",
    "subject_dearer": "{workload} rose {percent} to {cost}: {option}",
    "subject_rent_cheaper": "Renting for {workload} fell {percent} to {cost}: {option}",
    "subject_rent_dearer": "Renting for {workload} rose {percent} to {cost}: {option}",
    "subject_rig_second": "Your {gpu} is now {place} for {workload}",
    "subject_rig_first": "Your {gpu} is now the cheapest for {workload}",
    "subject_unchanged": "{workload} still {cost}; no price moved",
    "subject_one_moved": "{workload} still {cost}; 1 price moved",
    "subject_moved": "{workload} still {cost}; {n} prices moved",
    "subject_first": "Your first report: {workload} costs {low} to {high}",
    "subject_first_one": "Your first report: {workload} costs {low}",
    "subject_nothing": "Nothing can train {workload} within your limits",
    "subject_total_below": "Alert: {workload} below {limit}, now {cost}",
    "subject_cheaper_than_rig": "Alert: renting beats your {gpu} ({cloud} vs {rig})",
    "subject_change_down": "Alert: {workload} fell {percent} to {cost}: {option}",
    "subject_change_up": "Alert: {workload} rose {percent} to {cost}: {option}",
    "subject_source_down": "{source} silent for {hours} h; {workload} ranking incomplete",
    "subject_sources_down": "{source} and {n} more silent for {hours} h; {workload} incomplete",
    # The answer
    "cheapest_cloud": "Cheapest: {title}: {cost}{spread}, {days}.",
    "cheapest_local": "Cheapest: {title}: {cost} of electricity{spread}, {days}.",
    "cheapest_worn": "Cheapest: {title}: {cost}, of which {wear} is your card's wear, {days}.",
    "soonest": "Soonest: {title}: {days}{spread}, {cost}.",
    "both": "Cheapest and soonest: {title}: {cost}{spread}, {days}.",
    "rig": "Your {gpu}: {days}, {cost} of electricity ({place} of {total}).",
    "rig_lacks": "Your {gpu} cannot train this: it lacks {gb} GB even with the most frugal plan.",
    "nothing": "Nothing is left within your filters and limits.",
    "break_even": "Renting costs less than your {gpu} above {usd} per kWh; you pay {own}.",
    "break_even_moved": "Renting costs less than your {gpu} above {usd} per kWh (was {before}); you pay {own}.",
    "break_even_never": "At any electricity price below {usd}, your {gpu} costs less.",
    "break_even_always": "Renting costs less even with free electricity.",
    "stale": "The price behind this answer is {age}.",
    "bundled": "These prices came with the software, the newest of {date}; none has been collected yet.",
    "no_prices": "No prices yet: the first collection takes a few minutes.",
    "ratio": "Times are scaled from one measured run; memory is not checked.",
    # Changes
    "cheapest_fell": "cheapest fell {percent} to {cost} ({title}{cause})",
    "cheapest_rose": "cheapest rose {percent} to {cost} ({title}{cause})",
    "rent_fell": "cheapest rented fell {percent} to {cost} ({title}{cause})",
    "rent_rose": "cheapest rented rose {percent} to {cost} ({title}{cause})",
    "cause": ": {before} → {now}/h",
    "recounted": " at the same price per hour: hours or bill are counted anew",
    "winner": "{title} is now the cheapest, in place of {before}",
    "soonest_now": "soonest is now {title}: {days}, {cost} (was {before})",
    "soonest_moved": "soonest now takes {days} (was {before})",
    "rig_up": "your {gpu} rose to {place} place (was {was})",
    "rig_down": "your {gpu} fell to {place} place (was {was})",
    "same": "the cheapest way and what it costs are the same",
    "price_moved": "{title}: {before} → {now}/h ({percent}); the run would cost {cost} there, {place}",
    "more_moved": "{n} more prices moved",
    "one_more_moved": "1 more price moved",
    # The preheader: the second fact
    "pre_soonest": "Soonest: {days} for {cost}.",
    "pre_median_up": "{gpu} median up {percent}.",
    "pre_median_down": "{gpu} median down {percent}.",
    "pre_prices": "Newest price {age}.",
    # Headings and small words
    "since": "Since {date}",
    "no_news": "Nothing to report since {date}.",
    "top": "The ten cheapest",
    "top_few": "The cheapest",
    "top_days": "The ten soonest",
    "top_score": "The ten best",
    "option": "Option",
    "time": "Time",
    "cost": "Cost",
    "was": "was {rank}",
    "new": "new",
    "yours": "yours",
    "old": "old price",
    "seen": "{usd}/h, {age}",
    "bundled_price": "{usd}/h as of {date}",
    "electricity": "electricity at {usd}/kWh",
    "appeared": "New offers",
    "vanished": "No longer offered",
    "more": "and {n} more",
    "offer_line": "{title}: {cost}, {days}",
    "medians": "What a GPU-hour rents for on demand",
    "medians_since": "What a GPU-hour rents for on demand, and its change since {date}",
    "median": "{gpu}: median {median}, from {least}",
    "median_changed": "{gpu}: median {median} ({percent}), from {least}",
    "break_even_head": "Break-even",
    "bill_head": "The bill of {title}",
    "bill_line": "{item}: {quantity} {unit} at {price}, {usd} ({source})",
    "sources_head": "Sources and age of prices",
    "source_failing": "{source} fails: {detail}",
    "source_failing_since": "{source} fails since {age}: {detail}",
    "source_stale": "{source} is old: last read {age}",
    "prices_age": "{n} current prices, the newest {age}.",
    "cheaper": "cheaper",
    "dearer": "dearer",
    "news": "news",
    "open": "Open this ranking",
    "about": "{workload}, {date}",
    "as_page": "This report as a page",
    "whole": "The whole report",
    "credit": "Some of these prices: {credit}",
    "why_schedule": "You get this because of the subscription “{name}”: {schedule}.",
    "why_alert": "You get this because an alert of the subscription “{name}” fired: {alert}.",
    "alert_total_below": "the run costs less than {limit}",
    "alert_cheaper_than_rig": "renting costs less than your machine",
    "alert_change": "the cheapest way moved by {percent}",
    "alert_source_down": "{sources} silent for {hours} h",
    "why_asked": "You get this because somebody asked for it now: “{name}”.",
    "pause": "Pause",
    "unsubscribe": "Unsubscribe",
    "minutes_old": "{n} min old",
    "hours_old": "{n} h old",
    "days_old": "{n} days old",
    "on_demand": "on demand",
    "spot": "spot",
    "reserved": "reserved",
    "only_alerts": "alerts only",
    "daily": "every day at {at} ({zone})",
    "weekly": "every {day} at {at} ({zone})",
    "monthly": "on day {day} of every month at {at} ({zone})",
    "cron": "cron {cron} ({zone})",
    "weekdays": "Sunday,Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday",
    "chart_alt": "Median price of a GPU-hour, last {n} days. {lines}",
    "chart_line": "{gpu}: {first} to {last}.",
    "feed_title": "Rig or Rent: GPU prices that moved",
    "feed_subtitle": "US dollars or the published currency, per GPU and hour",
    "feed_before": "Before, per GPU",
    "feed_now": "Now, per GPU",
    "feed_read": "Seen {at}",
    "feed_source": "source",
    "at": "at",
    "chart_unit": "$ per GPU-hour, on demand, median of all offers",
}

ES: Final[Mapping[str, str]] = {
    "subject_cheaper": "{workload} baja un {percent} a {cost}: {option}",
    "subject_dearer": "{workload} sube un {percent} a {cost}: {option}",
    "subject_rent_cheaper": "Alquilar para {workload} baja un {percent} a {cost}: {option}",
    "subject_rent_dearer": "Alquilar para {workload} sube un {percent} a {cost}: {option}",
    "subject_rig_second": "Tu {gpu} pasa al {place} para {workload}",
    "subject_rig_first": "Tu {gpu} ya es lo más barato para {workload}",
    "subject_unchanged": "{workload} sigue en {cost}; no cambia ningún precio",
    "subject_one_moved": "{workload} sigue en {cost}; cambia 1 precio",
    "subject_moved": "{workload} sigue en {cost}; cambian {n} precios",
    "subject_first": "Tu primer informe: {workload} cuesta entre {low} y {high}",
    "subject_first_one": "Tu primer informe: {workload} cuesta {low}",
    "subject_nothing": "Nada puede entrenar {workload} dentro de tus límites",
    "subject_total_below": "Aviso: {workload} por debajo de {limit}, ahora {cost}",
    "subject_cheaper_than_rig": "Aviso: alquilar ya gana a tu {gpu} ({cloud} frente a {rig})",
    "subject_change_down": "Aviso: {workload} baja un {percent} a {cost}: {option}",
    "subject_change_up": "Aviso: {workload} sube un {percent} a {cost}: {option}",
    "subject_source_down": "{source} lleva {hours} h sin responder; {workload} incompleto",
    "subject_sources_down": "{source} y {n} más llevan {hours} h sin responder; {workload} incompleto",
    "cheapest_cloud": "Lo más barato: {title}: {cost}{spread}, {days}.",
    "cheapest_local": "Lo más barato: {title}: {cost} de electricidad{spread}, {days}.",
    "cheapest_worn": "Lo más barato: {title}: {cost}, de los que {wear} son amortización de tu tarjeta, {days}.",
    "soonest": "Lo más rápido: {title}: {days}{spread}, {cost}.",
    "both": "Lo más barato y lo más rápido: {title}: {cost}{spread}, {days}.",
    "rig": "Tu {gpu}: {days}, {cost} de electricidad ({place} de {total}).",
    "rig_lacks": "Tu {gpu} no puede entrenarlo: faltan {gb} GB incluso con el plan más austero.",
    "nothing": "No queda nada dentro de tus filtros y límites.",
    "break_even": "Alquilar sale más barato que tu {gpu} a partir de {usd} por kWh; tú pagas {own}.",
    "break_even_moved": "Alquilar sale más barato que tu {gpu} a partir de {usd} por kWh (antes {before});"
    " tú pagas {own}.",
    "break_even_never": "Con cualquier precio de la luz inferior a {usd}, tu {gpu} cuesta menos.",
    "break_even_always": "Alquilar cuesta menos incluso con electricidad gratis.",
    "stale": "El precio de esta respuesta tiene {age}.",
    "bundled": "Estos precios venían con el programa, el más reciente del {date};"
    " aún no se ha consultado ninguna fuente.",
    "no_prices": "Aún no hay precios: la primera consulta tarda unos minutos.",
    "ratio": "Los tiempos se escalan de una sola medición; no se comprueba la memoria.",
    "cheapest_fell": "lo más barato baja un {percent} a {cost} ({title}{cause})",
    "cheapest_rose": "lo más barato sube un {percent} a {cost} ({title}{cause})",
    "rent_fell": "el alquiler más barato baja un {percent} a {cost} ({title}{cause})",
    "rent_rose": "el alquiler más barato sube un {percent} a {cost} ({title}{cause})",
    "cause": ": {before} → {now}/h",
    "recounted": " al mismo precio por hora: horas o factura se calculan de nuevo",
    "winner": "{title} es ahora lo más barato, en lugar de {before}",
    "soonest_now": "lo más rápido es ahora {title}: {days}, {cost} (antes {before})",
    "soonest_moved": "lo más rápido tarda ahora {days} (antes {before})",
    "rig_up": "tu {gpu} sube al {place} (antes {was})",
    "rig_down": "tu {gpu} baja al {place} (antes {was})",
    "same": "lo más barato y lo que cuesta no cambian",
    "price_moved": "{title}: {before} → {now}/h ({percent}); el entrenamiento costaría {cost}, {place}",
    "more_moved": "cambian {n} precios más",
    "one_more_moved": "cambia 1 precio más",
    "pre_soonest": "Lo más rápido: {days} por {cost}.",
    "pre_median_up": "La mediana de {gpu} sube un {percent}.",
    "pre_median_down": "La mediana de {gpu} baja un {percent}.",
    "pre_prices": "El precio más reciente tiene {age}.",
    "since": "Desde el {date}",
    "no_news": "Sin novedades desde el {date}.",
    "top": "Las diez más baratas",
    "top_few": "Las más baratas",
    "top_days": "Las diez más rápidas",
    "top_score": "Las diez mejores",
    "option": "Opción",
    "time": "Tiempo",
    "cost": "Coste",
    "was": "antes {rank}",
    "new": "nueva",
    "yours": "tuya",
    "old": "precio antiguo",
    "seen": "{usd}/h, {age}",
    "bundled_price": "{usd}/h a {date}",
    "electricity": "electricidad a {usd}/kWh",
    "appeared": "Ofertas nuevas",
    "vanished": "Ya no se ofrecen",
    "more": "y {n} más",
    "offer_line": "{title}: {cost}, {days}",
    "medians": "Lo que cuesta alquilar una GPU por hora, bajo demanda",
    "medians_since": "Lo que cuesta alquilar una GPU por hora, bajo demanda, y su cambio desde el {date}",
    "median": "{gpu}: mediana {median}, desde {least}",
    "median_changed": "{gpu}: mediana {median} ({percent}), desde {least}",
    "break_even_head": "Punto de equilibrio",
    "bill_head": "La factura de {title}",
    "bill_line": "{item}: {quantity} {unit} a {price}, {usd} ({source})",
    "sources_head": "Fuentes y antigüedad de los precios",
    "source_failing": "{source} falla: {detail}",
    "source_failing_since": "{source} falla, última lectura de {age}: {detail}",
    "source_stale": "{source} es antigua: última lectura de {age}",
    "prices_age": "{n} precios vigentes; el más reciente tiene {age}.",
    "cheaper": "más barato",
    "dearer": "más caro",
    "news": "novedad",
    "open": "Abrir esta clasificación",
    "about": "{workload}, {date}",
    "as_page": "Este informe como página",
    "whole": "El informe completo",
    "credit": "Algunos de estos precios: {credit}",
    "why_schedule": "Recibes esto por la suscripción «{name}»: {schedule}.",
    "why_alert": "Recibes esto porque ha saltado un aviso de la suscripción «{name}»: {alert}.",
    "alert_total_below": "el entrenamiento cuesta menos de {limit}",
    "alert_cheaper_than_rig": "alquilar cuesta menos que tu máquina",
    "alert_change": "lo más barato ha cambiado un {percent}",
    "alert_source_down": "{sources}: {hours} h sin responder",
    "why_asked": "Recibes esto porque alguien lo ha pedido ahora: «{name}».",
    "pause": "Pausar",
    "unsubscribe": "Darse de baja",
    "minutes_old": "{n} min",
    "hours_old": "{n} h",
    "days_old": "{n} días",
    "on_demand": "bajo demanda",
    "spot": "spot",
    "reserved": "reservado",
    "only_alerts": "solo avisos",
    "daily": "todos los días a las {at} ({zone})",
    "weekly": "cada {day} a las {at} ({zone})",
    "monthly": "el día {day} de cada mes a las {at} ({zone})",
    "cron": "cron {cron} ({zone})",
    "weekdays": "domingo,lunes,martes,miércoles,jueves,viernes,sábado,domingo",
    "chart_alt": "Precio mediano de una hora de GPU, últimos {n} días. {lines}",
    "chart_line": "{gpu}: de {first} a {last}.",
    "feed_title": "Rig or Rent: precios de GPU que han cambiado",
    "feed_subtitle": "Dólares o la moneda publicada, por GPU y hora",
    "feed_before": "Antes, por GPU",
    "feed_now": "Ahora, por GPU",
    "feed_read": "Visto el {at}",
    "feed_source": "fuente",
    "at": "en",
    "chart_unit": "US$ por hora de GPU, bajo demanda, mediana de todas las ofertas",
}

MESSAGES: Final[Mapping[str, Mapping[str, str]]] = {"en": EN, "es": ES}
LANGUAGES: Final = tuple(MESSAGES)
