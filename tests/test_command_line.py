"""The command line as it is installed: from any directory, on a machine without a network."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from service.database import Database

COMMAND = Path(sys.executable).with_name("rig-or-rent")
PAYLOADS = Path(__file__).parent / "payloads"
NO_DATABASE = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}


def run(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *arguments], cwd=cwd, env=env, input=stdin, capture_output=True, text=True, timeout=120
    )


def answer(*arguments: str, env: Mapping[str, str], stdin: str | None = None) -> Any:
    done = run(*arguments, "--json", env=env, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# rank ----------------------------------------------------------------------------------------------------------------


def test_rank_answers_from_another_directory(tmp_path: Path, environment: dict[str, str]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    done = run("rank", "--limit", "5", cwd=elsewhere, env=environment)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Cheapest")
    assert re.search(r"\d+ considered: \d+ ranked, 5 shown, \d+ excluded", done.stdout)
    assert "RTX 4070" in done.stdout
    assert "First prices" in done.stderr
    assert list(elsewhere.iterdir()) == []


def test_rank_beside_a_running_server_page_and_api_give_the_same_numbers(environment: dict[str, str]) -> None:
    with serving(environment) as url:
        ranked = answer("rank", "--country", "ES", env=environment)
        served = httpx.get(f"{url}/api/v1/ranking", params={"country": "ES"}).json()
        page = httpx.get(f"{url}/", params={"country": "ES"}).text

    assert ranked["options"] == served["options"]
    assert ranked["considered"] == served["considered"] == served["ranked"] + excluded(served)
    cheapest = served["answer"]["cheapest"]
    assert cheapest["title"].replace("1x ", "1× ") in page
    assert f"{cheapest['cost_usd']['p50']:,.0f}" in page


def excluded(ranking: Any) -> int:
    return sum(exclusion["count"] for exclusion in ranking["excluded"])


def test_the_anchor_question_by_the_published_ratio(environment: dict[str, str]) -> None:
    ranking = answer("rank", "--method", "ratio", env=environment)

    (rig,) = ranking["answer"]["rigs"]
    assert rig["hours"]["p10"] == pytest.approx(2112)
    assert rig["hours"]["p90"] == pytest.approx(2376)
    assert rig["days"] == pytest.approx({name: hours / 24 for name, hours in rig["hours"].items()})
    assert rig["cost_usd"]["p50"] == pytest.approx(
        rig["hours"]["p50"] * rig["rig"]["watts"] / 1000 * rig["rig"]["electricity_usd_per_kwh"]
    )


def test_one_option_explained_adds_up_to_its_cost(environment: dict[str, str]) -> None:
    ranking = answer("rank", "--rig", "none", "--limit", "1", env=environment)
    (cheapest,) = ranking["options"]

    explained = answer("rank", "--rig", "none", "--explain", cheapest["id"], env=environment)

    assert explained == answer("rank", "--rig", "none", "--explain", "1", env=environment)
    assert sum(line["usd"] for line in explained["bill"]) == pytest.approx(cheapest["cost_usd"]["p50"])
    assert run("rank", "--explain", "nothing", env=environment).returncode == 2


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rank", "--country", "Spain"], "--country must be two letters, such as ES"),
        (["rank", "--rig", "RTX 4071"], "RTX 4070"),
        (["rank", "--sort", "price"], "--sort must be one of cost, days, score"),
        (["rank", "--deadline-days", "-3"], "--deadline-days must be a number above 0"),
        (["rank", "--colour", "red"], "--colour"),
        (["rank", "--layers", "22"], "--layers describes a model of your own: add --workload own"),
        (["rank", "--micro-batch", "0"], "--micro-batch must be a whole number"),
        (["estimate", "--gpu", "RTX 4070", "--layers", "22"], "--layers describes a model of your own"),
        (["estimate", "--gpu", "H100 SXM", "--tensor-parallel", "3"], "--tensor-parallel 3 does not divide 16 heads"),
        (["estimate", "--gpu", "H100 SXM", "--interconnect", "nvlnk"], "--interconnect must be one of none, nvlink"),
        (["estimate", "--log", "train.log", "--micro-batch", "4"], "--micro-batch does not go with --log"),
        (["estimate"], "--gpu must name a GPU"),
        (["estimate", "--log", "train.log", "--gpu", "RTX 4070"], "--gpu does not go with --log"),
        (["estimate", "--request", "x.json", "--workload", "gpt2-124m"], "--workload does not go with --request"),
        (["fit", "--write", "nowhere/constants.toml"], "there is no folder nowhere"),
        (["estimate", "--gpu", "RTX 4070", "--gpus", "many"], "--gpus must be a whole number"),
        (["estimate", "--request", "nowhere.json"], "nowhere.json can't be read"),
        (["collect", "runpodd"], "nearest: runpod"),
        (["collect", "--payload", "x.json", "--dry-run"], "--payload needs the one NAME"),
        (["serve", "--port", "99999"], "1 to 65535"),
        (["record", "nobody"], "there is no provider 'nobody'"),
        (["play"], "invalid choice: 'play'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_before_a_database_is_touched(arguments: list[str], said: str) -> None:
    done = run(*arguments, env=NO_DATABASE)

    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_workload_is_refused_before_prices_are_collected(environment: dict[str, str]) -> None:
    done = run("rank", "--workload", "nanochat", env=environment)

    assert done.returncode == 2
    assert done.stderr.startswith("rig-or-rent: --workload 'nanochat' is not known; nearest: nanochat-d")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["rank", "status", "migrate"])
def test_a_database_that_is_down_is_a_failure_in_one_sentence(command: str) -> None:
    done = run(command, env=NO_DATABASE)

    assert done.returncode == 1
    assert "127.0.0.1:1 cannot be used" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_without_a_database_ends_in_one_sentence(tmp_path: Path, workers: str) -> None:
    environment = {**NO_DATABASE, "RIG_OR_RENT_DATA_DIR": str(tmp_path), "RIG_OR_RENT_API_KEY": "a key of the test"}

    done = run("serve", "--port", str(free_port()), "--workers", workers, env=environment)

    assert done.returncode == 1
    assert "127.0.0.1:1 cannot be used" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "status", "said"), [("127.0.0.1", 1, "nobody can listen on port"), ("nowhere.invalid", 2, "is no address")]
)
def test_a_server_says_where_it_cannot_listen(environment: dict[str, str], host: str, status: int, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        done = run("serve", "--host", host, "--port", str(busy.getsockname()[1]), env=environment)

    assert done.returncode == status
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


async def test_a_database_of_a_newer_version_is_left_alone(fresh_database: Database, fresh_database_url: str) -> None:
    async with fresh_database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    for command in ("rank", "migrate", "status"):
        done = run(command, env={**os.environ, "DATABASE_URL": fresh_database_url})

        assert done.returncode == 1
        assert "version 9999" in done.stderr


# estimate ------------------------------------------------------------------------------------------------------------


def test_an_estimate_needs_no_database() -> None:
    (anchor,) = answer("estimate", "--gpu", "H100 SXM", "--gpus", "8", env=NO_DATABASE)

    assert anchor["hours"]["p50"] == pytest.approx(33)
    assert anchor["fits"]


def test_an_estimate_takes_as_options_what_a_request_says() -> None:
    cards: dict[str, Any] = {"gpu": "A100 SXM 80GB", "gpu_count": 16, "gpus_per_node": 4, "interconnect": "pcie"}
    machine = {**cards, "network_gbit_s": 25, "host_memory_gb": 512}
    shapes: dict[str, Any] = {"layers": 22, "width": 2048, "heads": 32, "vocabulary": 32000, "seq_len": 2048}
    model = {**shapes, "kv_heads": 4, "ffn_gated": True}
    plan = {"micro_batch": 2, "sharding": "fsdp", "offload": ["optimizer"], "compiled": False}
    body = {"workload": {"model": model, "tokens": 2e10}, "machines": [{**machine, "plan": plan}]}

    asked = answer("estimate", "--request", "-", env=NO_DATABASE, stdin=json.dumps(body))
    described = options(machine | model | plan | {"workload": "own", "tokens": 2e10})
    typed = answer("estimate", *described, env=NO_DATABASE)

    assert typed == asked
    assert typed[0]["plan"]["offload"] == ["optimizer"]


def options(said: dict[str, Any]) -> list[str]:
    """As they are typed: --gpus 16 --compiled false."""
    flags = {name: "--gpus" if name == "gpu_count" else f"--{name.replace('_', '-')}" for name in said}
    values = {
        name: value if isinstance(value, list) else [json.dumps(value).strip('"')] for name, value in said.items()
    }
    return [word for name in said for value in values[name] for word in (flags[name], value)]


def test_a_machine_s_own_measurement_goes_over_the_model() -> None:
    machine = options({"gpu": "RTX 4070", "measured_tokens_per_s": 5000, "micro_batch": 1})

    (measured,) = answer("estimate", *machine, env=NO_DATABASE)

    assert measured["evidence"]["tier"] == "measured"
    assert measured["tokens_per_s_per_gpu"]["p50"] == pytest.approx(5000)


def test_a_request_on_standard_input_is_answered_in_its_order() -> None:
    body = {"workload": "gpt2-124m", "machines": [{"gpu": "RTX 4090"}, {"gpu": "RTX 4070"}], "method": "model"}

    answers = answer("estimate", "--request", "-", env=NO_DATABASE, stdin=json.dumps(body))

    assert [each["gpu"] for each in answers] == ["RTX 4090", "RTX 4070"]
    assert answers[0]["hours"]["p50"] < answers[1]["hours"]["p50"]


def test_a_training_log_is_carried_on_to_the_workload_s_tokens() -> None:
    log = Path(__file__).parent / "logs" / "nanochat.txt"

    told = answer("estimate", "--log", str(log), "--workload", "nanochat-d20", env=NO_DATABASE)

    assert told["format"] == "nanochat"
    assert told["warm_up_steps"] == 2
    assert told["hours"]["p10"] < told["hours"]["p50"] < told["hours"]["p90"]
    assert told["hours"]["p50"] == pytest.approx(21_400 * 0.4853 / 3600, rel=0.01)


def test_a_log_of_no_known_format_is_bad_input() -> None:
    done = run("estimate", "--log", "-", env=NO_DATABASE, stdin="hello\n")

    assert done.returncode == 2
    assert "nanoGPT" in done.stderr
    assert "Hugging Face Trainer" in done.stderr


def test_the_cards_of_this_machine_are_named_or_missed() -> None:
    done = run("estimate", "--gpu", "auto", env=NO_DATABASE)

    assert "found" in done.stderr  # a card with what it is taken as, or that none was found
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr


def test_an_explained_estimate_says_at_what_count_gpus_stop_helping() -> None:
    done = run("estimate", "--gpu", "H100 SXM", "--gpus", "8", "--explain", env=NO_DATABASE)

    assert "saves a fifth or more of the hours up to 256" in done.stdout


def test_an_explained_estimate_says_what_a_step_does_and_by_which_constants() -> None:
    done = run("estimate", "--gpu", "RTX 4070", "--explain", env=NO_DATABASE)
    (told,) = json.loads(run("estimate", "--gpu", "RTX 4070", "--explain", "--json", env=NO_DATABASE).stdout)

    assert "one optimizer step of one GPU" in done.stdout
    assert "by runs" in done.stdout
    assert told["explanation"]["nearest"][0]["source_url"] in done.stdout
    assert sum(part["ms"] for part in told["explanation"]["parts"]) == pytest.approx(
        1000 * sum(told["step_parts_s"].values())
    )


# collect, status, record ---------------------------------------------------------------------------------------------


def test_a_saved_answer_is_judged_without_network_or_database() -> None:
    judged = answer("collect", "runpod", "--payload", str(PAYLOADS / "runpod.json"), "--dry-run", env=NO_DATABASE)

    assert judged["provider"] == "runpod"
    assert judged["rejections"] == []
    assert {offer["collector"] for offer in judged["offers"]} == {"runpod"}
    assert all(offer["usd_per_hour"] > 0 and offer["gpu_count"] >= 1 for offer in judged["offers"])


def test_a_payload_that_changed_shape_fails_with_its_path(tmp_path: Path) -> None:
    changed = tmp_path / "changed.json"
    changed.write_text('{"data": {"gpuTypes": [{"id": "x", "displayName": 3}]}}')

    done = run("collect", "runpod", "--payload", str(changed), "--dry-run", env=NO_DATABASE)

    assert done.returncode == 1
    assert "$." in done.stderr


def test_a_saved_answer_is_stored_and_its_provider_s_shipped_prices_give_way(environment: dict[str, str]) -> None:
    done = run("collect", "runpod", "--payload", str(PAYLOADS / "runpod.json"), env=environment)
    states = {item["slug"]: item for item in answer("status", env=environment)["items"]}
    ranking = answer("rank", "--provider", "runpod", "--per", "offer", "--rig", "none", env=environment)

    assert done.returncode == 0, done.stderr
    assert states["runpod"]["state"] == "ok"
    assert states["runpod"]["offers"] > 0
    assert states["lambda"]["needs"] == "LAMBDA_API_KEY"
    assert {option["offer"]["source"] for option in ranking["options"]} == {"live"}


def test_recording_a_provider_writes_what_it_answered_and_no_secret(tmp_path: Path) -> None:
    recording = json.loads((PAYLOADS / "lambda.json").read_text())
    with answering(recording["answers"][0]["body"]) as origin:
        env = {
            **NO_DATABASE,
            "LAMBDA_API_KEY": "very-secret-key",
            "RIG_OR_RENT_ORIGIN_OVERRIDES": json.dumps({"https://cloud.lambda.ai": origin}),
        }
        done = run("record", "lambda", "--into", str(tmp_path), env=env)

    assert done.returncode == 0, done.stderr
    written = (tmp_path / "lambda.json").read_text()
    assert "very-secret-key" not in written
    assert "https://cloud.lambda.ai" in json.loads(written)["source"]
    assert json.loads(written)["answers"][0]["body"] == recording["answers"][0]["body"]
    assert (tmp_path / "lambda.offers.json").read_text() == (PAYLOADS / "lambda.offers.json").read_text()


@contextmanager
def answering(body: object) -> Iterator[str]:
    """The origin of a server that gives everybody the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def serving(env: Mapping[str, str], *arguments: str) -> Iterator[str]:
    """The address of a server that is ready; it has to end by itself when asked to."""
    port = free_port()
    command = [str(COMMAND), "serve", "--port", str(port), *arguments]
    with subprocess.Popen(command, env={**env, "RIG_OR_RENT_SCHEDULER": "off"}, stderr=subprocess.PIPE) as server:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/health/ready", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGTERM)
            _, errors = server.communicate(timeout=60)
        assert server.returncode == 0, errors.decode()


def wait_until_ready(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server ended"
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{address} is not ready")
