"""Whether a price list of 400 MB fits into 200 MB: from the network and from a file, in a process of its own each."""

from __future__ import annotations

import asyncio
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copyfileobj
from threading import Thread
from typing import Any

from providers.awsreserved import LISTS, AwsReserved
from service.__main__ import main as command_line
from service.collect import make_client
from service.settings import Settings

MEGABYTES = 400
WANTED_MB = 200
FAMILIES = ("m5", "c6i", "r7g", "x2idn", "p5", "g6", "p4d", "i4i", "t4g", "g5")  # as many GPUs as in no real list
SIZES = ("large", "xlarge", "4xlarge", "24xlarge", "48xlarge")
SYSTEMS = ("Linux", "Windows", "RHEL", "SUSE", "Ubuntu Pro", "Linux")
TERMS = [
    (length, offering, option)
    for length in ("1yr", "3yr")
    for offering in ("standard", "convertible")
    for option in ("No Upfront", "Partial Upfront", "All Upfront")
]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index.json"
        write_list(file, MEGABYTES * 1024 * 1024)
        size_mb = file.stat().st_size / 1024 / 1024
        print(f"a list of {size_mb:,.0f} MB")  # noqa: T201
        with serving(file) as address:
            run("from the network (awsreserved)", "network", address)
        run("from a file (collect aws --payload FILE --dry-run)", "file", str(file))


def run(what: str, *arguments: str) -> None:
    """One line: how long a process of its own took, and the most memory that it had."""
    began = time.perf_counter()
    told = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, (offers, peak_mb) = time.perf_counter() - began, told.split()
    print(f"{what:<52}{seconds:5,.1f} s{int(offers):7,} offers{float(peak_mb):6,.0f} MB   (wanted: under {WANTED_MB})")  # noqa: T201


def peak_mb() -> float:
    """The most memory that this process had; Linux tells it without what its parent had before it began."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024


# The list ------------------------------------------------------------------------------------------------------------


def write_list(file: Path, size: int) -> None:
    """A list in Amazon's form and mixture: its products, then their terms, until it is as long as wanted."""
    with file.open("w", encoding="utf-8") as out:
        out.write('{\n  "formatVersion" : "v1.0",\n  "offerCode" : "AmazonEC2",\n  "products" : {\n')
        count = 0
        while out.tell() < size * 0.27:  # what products take of the whole, with 13 terms for one in three
            out.write(("," if count else "") + entry(f"SKU{count:013d}", product(count)))
            count += 1
        out.write('  },\n  "terms" : {\n    "OnDemand" : {\n')
        out.write(",".join(entry(f"SKU{number:013d}", on_demand(number)) for number in range(count)))
        out.write('    },\n    "Reserved" : {\n')
        number = 0
        while out.tell() < size:
            out.write(("," if number else "") + entry(f"SKU{number:013d}", reserved(number)))
            number += 1
        out.write('    }\n  },\n  "attributesList" : { }\n}\n')


def entry(name: str, value: Any) -> str:
    return f'    "{name}" : {json.dumps(value, indent=2)}\n'


def product(number: int) -> dict[str, Any]:
    family, size = FAMILIES[number % len(FAMILIES)], SIZES[number // 10 % len(SIZES)]
    return {
        "sku": f"SKU{number:013d}",
        "productFamily": "Compute Instance",
        "attributes": {
            "servicecode": "AmazonEC2",
            "location": "US East (N. Virginia)",
            "locationType": "AWS Region",
            "instanceType": f"{family}.{size}",
            "currentGeneration": "Yes",
            "instanceFamily": "GPU instance" if family[0] in "pg" else "General purpose",
            "vcpu": "96",
            "physicalProcessor": "Intel Xeon Platinum 8275L",
            "clockSpeed": "3 GHz",
            "memory": "1152 GiB",
            "storage": "8 x 1000 SSD",
            "networkPerformance": "400 Gigabit",
            "processorArchitecture": "64-bit",
            "tenancy": ("Shared", "Dedicated", "Host")[number // 50 % 3],
            "operatingSystem": SYSTEMS[number // 150 % len(SYSTEMS)],
            "licenseModel": "No License required",
            "usagetype": f"BoxUsage:{family}.{size}",
            "operation": f"RunInstances:{number:04d}",
            "capacitystatus": ("Used", "UnusedCapacityReservation", "AllocatedCapacityReservation")[number // 900 % 3],
            "dedicatedEbsThroughput": "19000 Mbps",
            "enhancedNetworkingSupported": "No",
            "intelAvxAvailable": "Yes",
            "marketoption": "OnDemand",
            "normalizationSizeFactor": "192",
            "preInstalledSw": ("NA", "SQL Web", "SQL Std", "SQL Ent")[number // 2_700 % 4],
            "processorFeatures": "Intel AVX; Intel AVX2; Intel AVX512; Intel Turbo",
            "regionCode": "us-east-1",
            "servicename": "Amazon Elastic Compute Cloud",
        },
    }


def on_demand(number: int) -> dict[str, Any]:
    return term(number, "JRTCKXETXF", [("Hrs", "32.7726000000")], {})


def reserved(number: int) -> dict[str, Any]:
    terms: dict[str, Any] = {}
    for at, (length, offering, option) in enumerate(TERMS):
        dimensions = [("Hrs", "19.2200000000")] if option != "All Upfront" else []
        dimensions += [("Quantity", "84000")] if option != "No Upfront" else []
        attributes = {"LeaseContractLength": length, "OfferingClass": offering, "PurchaseOption": option}
        terms |= term(number, f"TERM{at:06d}", dimensions, attributes)
    return terms


def term(number: int, code: str, dimensions: list[tuple[str, str]], attributes: dict[str, str]) -> dict[str, Any]:
    sku = f"SKU{number:013d}"
    return {
        f"{sku}.{code}": {
            "offerTermCode": code,
            "sku": sku,
            "effectiveDate": "2024-05-01T00:00:00Z",
            "priceDimensions": {
                f"{sku}.{code}.{unit}": {
                    "rateCode": f"{sku}.{code}.{unit}",
                    "description": f"USD {price} per Linux/UNIX (Amazon VPC), p4d.24xlarge reserved instance applied",
                    "beginRange": "0",
                    "endRange": "Inf",
                    "unit": unit,
                    "pricePerUnit": {"USD": price},
                    "appliesTo": [],
                }
                for unit, price in dimensions
            },
            "termAttributes": attributes,
        }
    }


# The network ---------------------------------------------------------------------------------------------------------


@contextmanager
def serving(file: Path) -> Iterator[str]:
    """The list as that of one region, on a server of our own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_index = self.path.endswith("region_index.json")
            index = json.dumps({"regions": {"us-east-1": {}}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(index) if is_index else file.stat().st_size))
            self.end_headers()
            if is_index:
                self.wfile.write(index)
                return
            with file.open("rb") as content:
                copyfileobj(content, self.wfile)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def from_network(address: str) -> int:
    origin = LISTS.partition("/offers")[0]
    async with make_client(Settings(origin_overrides={origin: address})) as client:
        return len(list(AwsReserved().parse(await AwsReserved().fetch(client))))


def from_file(file: str) -> int:
    printed = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(printed, write_through=True)):
        command_line(["collect", "aws", "--payload", file, "--dry-run", "--json"])
        told = json.loads(printed.getvalue())
    return len(told["offers"]) + len(told["rejections"])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["network", address]:
            print(asyncio.run(from_network(address)), peak_mb())  # noqa: T201
        case ["file", file]:
            print(from_file(file), peak_mb())  # noqa: T201
        case _:
            main()
